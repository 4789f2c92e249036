//! `when`: a CEL expression over the request and its consumer, compiled once.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, ExecutionError, Value,
    common::{
        ast::IdedExpr,
        types::{CelList, CelMap, CelMapKey, CelNull, CelString},
        value::Val,
    },
};
use http::HeaderMap;

use self::pattern::Pattern;
use crate::{Consumer, RequestContext};

mod pattern;
mod route;
#[cfg(test)]
mod tests;

/// Longest expression.
const MAX_BYTES: usize = 4096;

/// The standard functions. Making them takes long, so it is done once.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    pattern::declare(&mut env);
    Arc::new(env)
});

/// A condition.
pub(crate) struct When {
    source: Box<str>,
    expression: IdedExpr,
    patterns: Vec<Pattern>,
    /// Whether `headers` occurs in it; only then are they put in a map.
    reads_headers: bool,
}

impl When {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Syntax, names that do not exist, and results that are not true or false.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        let when = Self::parse(source)?;
        when.try_out()?;
        Ok(when)
    }

    fn parse(source: &str) -> Result<Self, String> {
        if source.len() > MAX_BYTES {
            return Err(format!("is longer than {MAX_BYTES} bytes"));
        }
        let parsed = ENV.parser().parse(source);
        let mut expression = parsed.map_err(|error| error.to_string())?;
        let mut patterns = Vec::new();
        pattern::extract(&mut expression, &mut patterns)?;
        Ok(Self {
            expression,
            patterns,
            reads_headers: source.contains("headers"),
            source: source.into(),
        })
    }

    /// The expression.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is true of the request; none where it cannot be evaluated.
    pub(super) fn holds(&self, request: &RequestContext) -> Option<bool> {
        let headers = self.reads_headers.then_some(&request.headers);
        let address = request.client.address.to_canonical().to_string();
        let sight = Sight {
            method: request.method.as_str(),
            host: &request.host,
            path: &request.path,
            query: request.query.as_deref().unwrap_or_default(),
            scheme: request.scheme(),
            address: &address,
            connection: None,
        };
        let consumer = consumer_value(request.consumer.as_deref());
        match self.evaluate(&sight, headers, Some(consumer)) {
            Ok(Value::Bool(holds)) => Some(holds),
            Ok(_) | Err(_) => None,
        }
    }

    /// Evaluates it for a made-up request, to find what can never work.
    fn try_out(&self) -> Result<(), String> {
        let sight = Sight {
            method: "GET",
            host: "example.com",
            path: "/",
            query: "",
            scheme: "https",
            address: "192.0.2.1",
            connection: None,
        };
        let headers = HeaderMap::new();
        check(self.evaluate(&sight, Some(&headers), Some(consumer_value(None))))
    }

    fn evaluate<'v>(
        &'v self,
        sight: &Sight<'v>,
        headers: Option<&'v HeaderMap>,
        consumer: Option<Box<dyn Val + 'v>>,
    ) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_as_val("request", Box::new(sight.map(headers)));
        if let Some(consumer) = consumer {
            context.add_variable_as_val("consumer", consumer);
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            let name = pattern::variable(index);
            context.add_variable_as_val(name, Box::new(pattern.clone()));
        }
        Value::resolve(&self.expression, &context)
    }
}

/// What came of a made-up request.
fn check(result: Result<Value, ExecutionError>) -> Result<(), String> {
    match result {
        Ok(Value::Bool(_)) => Ok(()),
        Ok(other) => Err(format!(
            "must be true or false, but is of type {}",
            other.type_of()
        )),
        Err(
            error @ (ExecutionError::UndeclaredReference(_) | ExecutionError::FunctionError { .. }),
        ) => Err(error.to_string()),
        // A header or consumer that the made-up request lacks.
        Err(_) => Ok(()),
    }
}

impl fmt::Debug for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, out)
    }
}

/// What an expression sees of a request, besides header fields.
struct Sight<'v> {
    method: &'v str,
    host: &'v str,
    path: &'v str,
    query: &'v str,
    scheme: &'v str,
    address: &'v str,
    /// The peer's address and the server name; only routes see them.
    connection: Option<(&'v str, &'v str)>,
}

impl<'v> Sight<'v> {
    fn map(&self, headers: Option<&'v HeaderMap>) -> CelMap<'v> {
        let mut map: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::with_capacity(9);
        let mut add = |name: &'static str, value| map.insert(key(name), text(value));
        add("method", self.method);
        add("host", self.host);
        add("path", self.path);
        add("query", self.query);
        add("scheme", self.scheme);
        add("client_address", self.address);
        if let Some((peer, server_name)) = self.connection {
            add("peer_address", peer);
            add("server_name", server_name);
        }
        if let Some(headers) = headers {
            map.insert(key("headers"), Box::new(header_map(headers)));
        }
        CelMap::from(map)
    }
}

/// By name in lower case; several of one name joined with `, ` (RFC 9110 section 5.2).
fn header_map(headers: &HeaderMap) -> CelMap<'_> {
    let mut map: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> =
        HashMap::with_capacity(headers.keys_len());
    for name in headers.keys() {
        let mut values = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        let first = values.next().unwrap_or_default();
        let joined = values.fold(first, |joined, value| {
            (joined.into_owned() + ", " + &value).into()
        });
        map.insert(key(name.as_str()), Box::new(CelString::from(joined)));
    }
    CelMap::from(map)
}

fn consumer_value(consumer: Option<&Consumer>) -> Box<dyn Val + '_> {
    let Some(consumer) = consumer else {
        return Box::new(CelNull);
    };
    let groups: Vec<Box<dyn Val + '_>> = consumer.groups.iter().map(|group| text(group)).collect();
    let mut map: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = HashMap::with_capacity(2);
    map.insert(key("name"), text(&consumer.name));
    map.insert(key("groups"), Box::new(CelList::from(groups)));
    Box::new(CelMap::from(map))
}

fn key(name: &str) -> CelMapKey<'_> {
    CelMapKey::String(CelString::from(name))
}

fn text(value: &str) -> Box<dyn Val + '_> {
    Box::new(CelString::from(value))
}
