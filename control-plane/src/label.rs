//! Selecting resources by their labels.

use std::{collections::BTreeMap, str::FromStr};

/// All of these must be true of a resource's labels; without any, every resource is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Condition>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Present(String),
    Absent(String),
    Equal(String, String),
    Different(String, String),
}

impl Selector {
    /// Whether it selects a resource with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|condition| match condition {
            Condition::Present(key) => labels.contains_key(key),
            Condition::Absent(key) => !labels.contains_key(key),
            Condition::Equal(key, value) => labels.get(key) == Some(value),
            Condition::Different(key, value) => labels.get(key) != Some(value),
        })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a selector from conditions: `key=value`, `key!=value`, `key` (present), `!key` (absent).
    ///
    /// # Errors
    /// A condition that is none of these.
    pub fn parse<'a>(
        conditions: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidSelector> {
        let conditions = conditions.into_iter().map(Condition::from_str);
        conditions.collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Condition {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        let (key, condition) = match text.split_once('=') {
            Some((key, value)) => match key.strip_suffix('!') {
                Some(key) => (key, Self::Different(key.to_owned(), value.to_owned())),
                None => (key, Self::Equal(key.to_owned(), value.to_owned())),
            },
            None => match text.strip_prefix('!') {
                Some(key) => (key, Self::Absent(key.to_owned())),
                None => (text, Self::Present(text.to_owned())),
            },
        };
        if key.is_empty() || key.contains('!') {
            return Err(InvalidSelector(text.to_owned()));
        }
        Ok(condition)
    }
}

/// A condition on labels that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a condition on labels: write `key=value`, `key!=value`, `key` or `!key`")]
pub struct InvalidSelector(String);

#[cfg(test)]
mod tests {
    use super::Selector;

    #[test]
    fn a_resource_is_selected_when_all_conditions_hold() {
        let labels = [("team".to_owned(), "a".to_owned())].into();
        for (conditions, selected) in [
            (&[][..], true),
            (&["team=a"], true),
            (&["team"], true),
            (&["!tier"], true),
            (&["team!=b", "team"], true),
            (&["tier!=gold"], true),
            (&["team=a", "tier"], false),
            (&["team!=a"], false),
            (&["!team"], false),
            (&["team="], false),
        ] {
            let selector = Selector::parse(conditions.iter().copied()).unwrap();
            assert_eq!(selector.selects(&labels), selected, "{conditions:?}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["", "=a", "!", "!=a", "!a=b"] {
            assert!(Selector::parse([text]).is_err(), "{text}");
        }
    }
}
