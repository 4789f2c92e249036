//! Compiles the schemas of a document, without recursion: what a schema has within it is put on a list.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    Dialect, Kinds, Mistake, Node, NodeId, Rule, Schemas, escape_token,
    format::Format,
    node::{Contains, If, Items, Values},
    number,
    pattern::Patterns,
    resolve, sort,
};

/// Most schemas in a document.
const MAX_NODES: usize = 100_000;
/// Most mistakes that are told of a document.
const MAX_MISTAKES: usize = 32;

/// Compiles the schemas of one document.
pub(crate) struct Compiler<'d> {
    pub(crate) mistakes: Vec<Mistake>,
    root: &'d Value,
    dialect: Dialect,
    formats: bool,
    patterns: Patterns,
    ids: HashMap<String, NodeId>,
    anchors: HashMap<&'d str, String>,
    nodes: Vec<Node>,
    /// Where each node is, for mistakes.
    pointers: Vec<String>,
    open: Vec<(NodeId, &'d Value)>,
}

impl<'d> Compiler<'d> {
    /// For a document in this dialect; `formats` says whether formats are demands.
    pub(crate) fn new(root: &'d Value, dialect: Dialect, formats: bool) -> Self {
        Self {
            mistakes: Vec::new(),
            root,
            dialect,
            formats,
            patterns: Patterns::default(),
            ids: HashMap::new(),
            anchors: HashMap::new(),
            nodes: Vec::new(),
            pointers: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Takes the schema at this place in, and tells its number. It is compiled by [`Compiler::finish`].
    pub(crate) fn add(&mut self, pointer: String, schema: &'d Value) -> NodeId {
        if let Some(known) = self.ids.get(&pointer) {
            return *known;
        }
        let id = NodeId::try_from(self.nodes.len()).unwrap_or(NodeId::MAX);
        if self.nodes.len() < MAX_NODES {
            self.open.push((id, schema));
        } else if self.nodes.len() == MAX_NODES {
            self.wrong(&pointer, format!("there are over {MAX_NODES} schemas"));
        }
        self.nodes.push(Node {
            kinds: Kinds::ALL,
            possible: Kinds::ALL,
            read_only: false,
            rules: Vec::new(),
            tracks: false,
            default: None,
        });
        self.pointers.push(pointer.clone());
        self.ids.insert(pointer, id);
        id
    }

    pub(crate) fn wrong(&mut self, pointer: &str, reason: impl Into<String>) {
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(Mistake::new(pointer, reason));
        }
    }

    /// Compiles all that was taken in, and what that refers to.
    pub(crate) fn compile_open(&mut self) {
        while let Some((id, schema)) = self.open.pop() {
            let pointer = self.pointers[id as usize].clone();
            let mut node = Reading {
                compiler: self,
                pointer: &pointer,
            }
            .node(schema);
            // What asks what the others have spoken of.
            node.rules.sort_by_key(|rule| {
                matches!(
                    rule,
                    Rule::UnevaluatedItems(_) | Rule::UnevaluatedProperties(_)
                )
            });
            self.nodes[id as usize] = node;
        }
    }

    /// All schemas.
    ///
    /// # Errors
    /// What is wrong with the document, those mistakes included that were added to it.
    pub(crate) fn finish(mut self) -> Result<Schemas, Vec<Mistake>> {
        self.compile_open();
        if self.mistakes.is_empty()
            && let Err(circular) = sort::settle(&mut self.nodes)
        {
            let pointer = self.pointers[circular as usize].clone();
            self.wrong(&pointer, "refers to itself without going deeper");
        }
        match self.mistakes.is_empty() {
            true => Ok(Schemas { nodes: self.nodes }),
            false => Err(self.mistakes),
        }
    }

    /// Where a reference leads.
    fn follow(&mut self, reference: &str) -> Result<NodeId, String> {
        let own = self.root.get("$id").and_then(Value::as_str);
        let local = own.and_then(|own| reference.strip_prefix(own.trim_end_matches('#')));
        let local = local.filter(|rest| rest.is_empty() || rest.starts_with('#'));
        let Some(fragment) = local.unwrap_or(reference).strip_prefix('#') else {
            if local == Some("") {
                return Ok(self.add(String::new(), self.root));
            }
            return Err(format!(
                "`{reference}` leads out of the document: nothing is fetched; write `#/...`"
            ));
        };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            self.find_anchors();
            let pointer = self.anchors.get(fragment).cloned();
            let pointer = pointer.ok_or_else(|| format!("there is no anchor `{fragment}`"))?;
            let schema = self.root.pointer(&pointer).unwrap_or(self.root);
            return Ok(self.add(pointer, schema));
        }
        let found = resolve(self.root, fragment);
        let (pointer, schema) = found.ok_or_else(|| format!("`{reference}` leads nowhere"))?;
        Ok(self.add(pointer, schema))
    }

    /// All `$anchor` of the document; where a name is there twice, one of them.
    fn find_anchors(&mut self) {
        if !self.anchors.is_empty() {
            return;
        }
        let mut open = vec![(String::new(), self.root)];
        while let Some((pointer, value)) = open.pop() {
            match value {
                Value::Object(members) => {
                    for name in ["$anchor", "$dynamicAnchor"] {
                        if let Some(anchor) = members.get(name).and_then(Value::as_str) {
                            self.anchors.insert(anchor, pointer.clone());
                        }
                    }
                    let below = members.iter();
                    open.extend(
                        below.map(|(name, it)| (format!("{pointer}/{}", escape_token(name)), it)),
                    );
                }
                Value::Array(items) => {
                    let below = items.iter().enumerate();
                    open.extend(below.map(|(place, it)| (format!("{pointer}/{place}"), it)));
                }
                _ => {}
            }
        }
    }
}

/// Reads one schema.
pub(super) struct Reading<'c, 'd> {
    compiler: &'c mut Compiler<'d>,
    pointer: &'c str,
}

impl<'d> Reading<'_, 'd> {
    fn node(&mut self, schema: &'d Value) -> Node {
        let mut node = Node {
            kinds: Kinds::ALL,
            possible: Kinds::ALL,
            read_only: false,
            rules: Vec::new(),
            tracks: false,
            default: None,
        };
        let members = match schema {
            Value::Bool(true) => return node,
            Value::Bool(false) => {
                node.kinds = Kinds::NONE;
                return node;
            }
            Value::Object(members) => members,
            _ => {
                self.wrong("", "must be a schema: an object, `true` or `false`");
                return node;
            }
        };
        if let Some(reference) = members.get("$ref") {
            match reference.as_str().map(|text| self.compiler.follow(text)) {
                Some(Ok(id)) => node.rules.push(Rule::Reference(id)),
                Some(Err(reason)) => self.wrong("/$ref", reason),
                None => self.wrong("/$ref", "must be a text"),
            }
            if self.compiler.dialect != Dialect::Modern {
                return node;
            }
        }
        self.refuse_unknown(members);
        self.kinds(members, &mut node);
        node.read_only = members.get("readOnly") == Some(&Value::Bool(true));
        node.default = members.get("default").cloned();
        self.values(members, &mut node.rules);
        self.numbers(members, &mut node.rules);
        self.texts(members, &mut node.rules);
        self.items(members, &mut node.rules);
        if let Some(object) = self.object(members) {
            node.rules.push(Rule::Object(Box::new(object)));
        }
        self.combinations(members, &mut node.rules);
        node.tracks = node.rules.iter().any(|rule| {
            matches!(
                rule,
                Rule::UnevaluatedItems(_) | Rule::UnevaluatedProperties(_)
            )
        });
        node
    }

    /// Keywords that would be misread.
    fn refuse_unknown(&mut self, members: &Map<String, Value>) {
        for name in ["$dynamicRef", "$recursiveRef"] {
            if members.contains_key(name) {
                self.wrong(&format!("/{name}"), "is not supported; use `$ref`");
            }
        }
        let id = members.get("$id").and_then(Value::as_str);
        if id.is_some_and(|id| !id.starts_with('#')) && !self.pointer.is_empty() {
            self.wrong("/$id", "is supported only at the top of the document");
        }
    }

    fn kinds(&mut self, members: &Map<String, Value>, node: &mut Node) {
        let named = |value: &Value| value.as_str().and_then(Kinds::named);
        let kinds = match members.get("type") {
            None => return,
            Some(Value::Array(names)) => names
                .iter()
                .try_fold(Kinds::NONE, |all, name| Some(all.or(named(name)?))),
            Some(name) => named(name),
        };
        match kinds {
            Some(kinds) => node.kinds = kinds,
            None => self.wrong(
                "/type",
                "is not `null`, `boolean`, `object`, `array`, `number`, `integer` or `string`",
            ),
        }
        let nullable = members.get("nullable") == Some(&Value::Bool(true));
        if nullable && self.compiler.dialect == Dialect::OpenApi30 {
            node.kinds = node.kinds.or(Kinds::NULL);
        }
    }

    fn values(&mut self, members: &Map<String, Value>, rules: &mut Vec<Rule>) {
        let values = match (members.get("enum"), members.get("const")) {
            (None, None) => return,
            (Some(Value::Array(values)), None) => values.clone(),
            (None, Some(value)) => vec![value.clone()],
            (Some(Value::Array(_)), Some(value)) => {
                let of_const = self.split(vec![value.clone()]);
                rules.push(Rule::Enum(Box::new(of_const)));
                match members.get("enum") {
                    Some(Value::Array(values)) => values.clone(),
                    _ => return,
                }
            }
            (Some(_), _) => return self.wrong("/enum", "must be a list"),
        };
        let values = self.split(values);
        rules.push(Rule::Enum(Box::new(values)));
    }

    fn split(&self, values: Vec<Value>) -> Values {
        let mut split = Values::default();
        for value in values {
            match value {
                Value::String(text) => _ = split.texts.insert(text.into()),
                other => split.others.push(other),
            }
        }
        split
    }

    fn numbers(&mut self, members: &Map<String, Value>, rules: &mut Vec<Rule>) {
        type OfNumber = fn(serde_json::Number) -> Rule;
        let bounds: [(&str, &str, OfNumber, OfNumber); 2] = [
            (
                "minimum",
                "exclusiveMinimum",
                Rule::Minimum,
                Rule::ExclusiveMinimum,
            ),
            (
                "maximum",
                "exclusiveMaximum",
                Rule::Maximum,
                Rule::ExclusiveMaximum,
            ),
        ];
        for (bound, exclusive, inclusively, exclusively) in bounds {
            // In draft 4 and OpenAPI 3.0 `exclusiveMinimum: true` is said of `minimum`.
            let changed = members.get(exclusive).and_then(Value::as_bool);
            match members.get(bound) {
                None => {}
                Some(Value::Number(number)) if changed == Some(true) => {
                    rules.push(exclusively(number.clone()));
                }
                Some(Value::Number(number)) => rules.push(inclusively(number.clone())),
                Some(_) => self.wrong(&format!("/{bound}"), "must be a number"),
            }
            match members.get(exclusive) {
                None | Some(Value::Bool(_)) => {}
                Some(Value::Number(number)) => rules.push(exclusively(number.clone())),
                Some(_) => self.wrong(&format!("/{exclusive}"), "must be a number"),
            }
        }
        match members.get("multipleOf") {
            None => {}
            Some(Value::Number(number)) if number::is_positive(number) => {
                rules.push(Rule::MultipleOf(number.clone()));
            }
            Some(_) => self.wrong("/multipleOf", "must be a number above 0"),
        }
    }

    fn texts(&mut self, members: &Map<String, Value>, rules: &mut Vec<Rule>) {
        rules.extend(self.count(members, "minLength").map(Rule::MinLength));
        rules.extend(self.count(members, "maxLength").map(Rule::MaxLength));
        match members.get("pattern") {
            None => {}
            Some(Value::String(text)) => match self.compiler.patterns.compile(text) {
                Ok(regex) => rules.push(Rule::Pattern(regex, text.as_str().into())),
                Err(reason) => self.wrong("/pattern", reason),
            },
            Some(_) => self.wrong("/pattern", "must be a text"),
        }
        let format = members.get("format").and_then(Value::as_str);
        if let Some(format) = format.filter(|_| self.compiler.formats) {
            rules.extend(Format::named(format).map(Rule::Format));
        }
    }

    fn items(&mut self, members: &'d Map<String, Value>, rules: &mut Vec<Rule>) {
        let of_old = members.get("items").is_some_and(Value::is_array);
        let (first, rest) = match of_old {
            true => ("items", "additionalItems"),
            false => ("prefixItems", "items"),
        };
        let first = self.list(members, first);
        let rest = self.schema(members, rest);
        if !first.is_empty() || rest.is_some() {
            rules.push(Rule::Items(Box::new(Items { first, rest })));
        }
        rules.extend(self.count(members, "minItems").map(Rule::MinItems));
        rules.extend(self.count(members, "maxItems").map(Rule::MaxItems));
        match members.get("uniqueItems") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => rules.push(Rule::UniqueItems),
            Some(_) => self.wrong("/uniqueItems", "must be `true` or `false`"),
        }
        let least = self.count(members, "minContains").unwrap_or(1);
        let most = self.count(members, "maxContains");
        if let Some(node) = self.schema(members, "contains") {
            rules.push(Rule::Contains(Box::new(Contains { node, least, most })));
        }
        let left = self.schema(members, "unevaluatedItems");
        rules.extend(left.map(Rule::UnevaluatedItems));
    }

    fn combinations(&mut self, members: &'d Map<String, Value>, rules: &mut Vec<Rule>) {
        type OfList = fn(Box<[NodeId]>) -> Rule;
        let lists: [(&str, OfList); 3] = [
            ("allOf", Rule::AllOf),
            ("anyOf", Rule::AnyOf),
            ("oneOf", Rule::OneOf),
        ];
        for (name, rule) in lists {
            if members.contains_key(name) {
                let list = self.list(members, name);
                if list.is_empty() {
                    self.wrong(&format!("/{name}"), "must be a list of schemas");
                } else {
                    rules.push(rule(list));
                }
            }
        }
        rules.extend(self.schema(members, "not").map(Rule::Not));
        if let Some(condition) = self.schema(members, "if") {
            let then = self.schema(members, "then");
            let otherwise = self.schema(members, "else");
            rules.push(Rule::If(Box::new(If {
                condition,
                then,
                otherwise,
            })));
        }
        let left = self.schema(members, "unevaluatedProperties");
        rules.extend(left.map(Rule::UnevaluatedProperties));
    }

    pub(super) fn wrong(&mut self, below: &str, reason: impl Into<String>) {
        let pointer = format!("{}{below}", self.pointer);
        self.compiler.wrong(&pointer, reason);
    }

    /// The schema of this name.
    pub(super) fn schema(&mut self, members: &'d Map<String, Value>, name: &str) -> Option<NodeId> {
        let schema = members.get(name)?;
        Some(self.below(&format!("/{name}"), schema))
    }

    pub(super) fn below(&mut self, below: &str, schema: &'d Value) -> NodeId {
        let pointer = format!("{}{below}", self.pointer);
        self.compiler.add(pointer, schema)
    }

    /// The schemas in the list of this name; empty where there is none.
    fn list(&mut self, members: &'d Map<String, Value>, name: &str) -> Box<[NodeId]> {
        match members.get(name) {
            None => Box::new([]),
            Some(Value::Array(schemas)) => {
                let schemas = schemas.iter().enumerate();
                schemas
                    .map(|(place, it)| self.below(&format!("/{name}/{place}"), it))
                    .collect()
            }
            Some(_) => {
                self.wrong(&format!("/{name}"), "must be a list of schemas");
                Box::new([])
            }
        }
    }

    /// A number that counts something. 2.0 is one.
    pub(super) fn count(&mut self, members: &Map<String, Value>, name: &str) -> Option<u64> {
        let value = members.get(name)?;
        let whole = value.as_u64().or_else(|| {
            let double = value.as_f64().filter(|it| it.fract() == 0.0)?;
            // Beyond what anything has that is counted.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (0.0..=1e15).contains(&double).then_some(double as u64)
        });
        if whole.is_none() {
            self.wrong(&format!("/{name}"), "must be a whole number, 0 or more");
        }
        whole
    }

    pub(super) fn regex(
        &mut self,
        below: &str,
        text: &str,
    ) -> Option<std::sync::Arc<regex::Regex>> {
        match self.compiler.patterns.compile(text) {
            Ok(regex) => Some(regex),
            Err(reason) => {
                self.wrong(below, reason);
                None
            }
        }
    }
}
