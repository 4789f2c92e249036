//! Steps as people write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map as Members, Value};

use super::{
    super::{Document, place::Place},
    Edit, Map, Where,
};

/// A field that is wrong, and why.
type Mistake = (&'static str, String);

/// One step; exactly one of its fields is given. Places are JSON Pointers, in which `*` stands for all items of a
/// list or all members of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EditSettings {
    /// Takes a value from one place to another. Nothing happens where it is missing.
    pub r#move: Option<FromTo>,
    /// Puts a value into another place as well.
    pub copy: Option<FromTo>,
    /// Gives members another name.
    pub rename: Option<Rename>,
    /// Takes out what is at these places.
    pub remove: Option<Vec<String>>,
    /// Leaves out all but what is at these places.
    pub keep: Option<Vec<String>>,
    /// Puts a value, and the objects that lead there where they are missing.
    pub set: Option<AtValue>,
    /// Puts a value where there is none, or null.
    pub default: Option<AtValue>,
    /// Replaces values by others.
    pub map: Option<MapSettings>,
    /// Leaves out items of lists.
    pub filter: Option<FilterSettings>,
    /// Puts the document into an object, as the member of this name.
    pub wrap: Option<String>,
    /// Leaves only what is at this place; `null` where nothing is.
    pub unwrap: Option<String>,
    /// Puts the items of lists within the list at this place in their place.
    pub flatten: Option<String>,
    /// A JSON Merge Patch (RFC 7396): members are replaced, and removed where it has `null`.
    pub merge: Option<Members<String, Value>>,
}

/// From one place to another, both without `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromTo {
    /// Where the value is.
    pub from: String,
    /// Where it goes.
    pub to: String,
}

/// A new name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The member; `*` may be before the last name.
    pub at: String,
    /// Its new name.
    pub to: String,
}

/// A value for a place without `*`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtValue {
    /// The place.
    pub at: String,
    /// Any value.
    pub value: Value,
}

/// Values for values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapSettings {
    /// The places.
    pub at: String,
    /// By text, or by how a number, `true`, `false` or `null` is written. Up to 10,000.
    pub values: Members<String, Value>,
    /// What becomes of other values. Default `keep`.
    #[serde(default)]
    pub otherwise: Otherwise,
}

/// What becomes of values that are not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// They stay.
    #[default]
    Keep,
    /// They become `null`.
    Null,
}

/// Which items of lists stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterSettings {
    /// The lists.
    pub at: String,
    /// Where in an item. Default: the item itself.
    #[serde(default)]
    pub by: String,
    /// Values with which an item stays. Default: any but `null`, `false` and what is empty.
    #[serde(default)]
    pub any: Vec<Value>,
    /// Leaves out what would stay, and the other way around. Default false.
    #[serde(default)]
    pub not: bool,
}

impl EditSettings {
    /// Checks a step.
    ///
    /// # Errors
    /// Field and reason: a place that cannot be read or may not have `*`, no field, or several.
    pub fn compile(&self) -> Result<Edit, (&'static str, String)> {
        let steps = [
            self.r#move.as_ref().map(FromTo::as_move),
            self.copy.as_ref().map(FromTo::as_copy),
            self.rename.as_ref().map(Rename::compile),
            self.remove
                .as_ref()
                .map(|it| Ok(Edit::Remove(several("remove", it)?))),
            self.keep
                .as_ref()
                .map(|it| Ok(Edit::Keep(several("keep", it)?))),
            self.set.as_ref().map(AtValue::as_set),
            self.default.as_ref().map(AtValue::as_default),
            self.map.as_ref().map(MapSettings::compile),
            self.filter.as_ref().map(FilterSettings::compile),
            self.wrap
                .as_ref()
                .map(|it| Ok(Edit::Wrap(it.as_str().into()))),
            self.unwrap.as_ref().map(|it| unwrap(it)),
            self.flatten
                .as_ref()
                .map(|it| Ok(Edit::Flatten(place("flatten", it)?))),
            self.merge
                .as_ref()
                .map(|it| Ok(Edit::Merge(Document::from(&Value::Object(it.clone()))))),
        ];
        let mut steps = steps.into_iter().flatten();
        match (steps.next(), steps.next()) {
            (Some(step), None) => step,
            (None, _) => Err(("", "has no step".to_owned())),
            (_, Some(_)) => Err(("", "has more than one step: write one an entry".to_owned())),
        }
    }
}

impl FromTo {
    fn as_move(&self) -> Result<Edit, Mistake> {
        let (from, to) = (
            single("move.from", &self.from)?,
            single("move.to", &self.to)?,
        );
        match from.holds(&to) {
            true => Err(("move.to", "is within what is moved".to_owned())),
            false => Ok(Edit::Move(from, to)),
        }
    }

    fn as_copy(&self) -> Result<Edit, Mistake> {
        let (from, to) = (
            single("copy.from", &self.from)?,
            single("copy.to", &self.to)?,
        );
        Ok(Edit::Copy(from, to))
    }
}

impl Rename {
    fn compile(&self) -> Result<Edit, Mistake> {
        let at = place("rename.at", &self.at)?;
        match at.names_member() {
            true => Ok(Edit::Rename(at, self.to.as_str().into())),
            false => Err(("rename.at", "must end with a name".to_owned())),
        }
    }
}

impl AtValue {
    fn as_set(&self) -> Result<Edit, Mistake> {
        Ok(Edit::Set(
            single("set.at", &self.at)?,
            Document::from(&self.value),
        ))
    }

    fn as_default(&self) -> Result<Edit, Mistake> {
        Ok(Edit::Default(
            single("default.at", &self.at)?,
            Document::from(&self.value),
        ))
    }
}

impl MapSettings {
    fn compile(&self) -> Result<Edit, Mistake> {
        if self.values.len() > 10_000 {
            return Err(("map.values", "has more than 10000 entries".to_owned()));
        }
        let values = self.values.iter();
        let values = values.map(|(from, to)| (from.as_str().into(), Document::from(to)));
        let map = Map {
            values: values.collect(),
            otherwise: self.otherwise,
        };
        Ok(Edit::Map(place("map.at", &self.at)?, map))
    }
}

impl FilterSettings {
    fn compile(&self) -> Result<Edit, Mistake> {
        let condition = Where {
            at: single("filter.by", &self.by)?,
            any: self.any.iter().map(Document::from).collect(),
            not: self.not,
        };
        Ok(Edit::Filter(place("filter.at", &self.at)?, condition))
    }
}

fn unwrap(at: &str) -> Result<Edit, Mistake> {
    let at = single("unwrap", at)?;
    match at.is_root() {
        true => Err(("unwrap", "is the document itself".to_owned())),
        false => Ok(Edit::Unwrap(at)),
    }
}

fn place(field: &'static str, text: &str) -> Result<Place, Mistake> {
    Place::parse(text).map_err(|reason| (field, reason.to_owned()))
}

fn single(field: &'static str, text: &str) -> Result<Place, Mistake> {
    let place = place(field, text)?;
    match place.is_single() {
        true => Ok(place),
        false => Err((field, "must be one place, without `*`".to_owned())),
    }
}

fn several(field: &'static str, places: &[String]) -> Result<Box<[Place]>, Mistake> {
    if !(1..=1000).contains(&places.len()) {
        return Err((field, "must have 1 to 1000 places".to_owned()));
    }
    places.iter().map(|text| place(field, text)).collect()
}
