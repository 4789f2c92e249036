//! Which resources a command is about: `KIND NAME...`, or `KIND/NAME...` as they are printed everywhere.

use anyhow::{Error, bail};
use clap::Args;
use gatewright_proto::{Key, Kind};

/// Which resources.
#[derive(Args, Debug)]
pub(super) struct Subject {
    /// A kind, as `route` or `routes`; or with a name, as `route/orders`.
    #[arg(value_parser = first, value_name = "KIND|KIND/NAME")]
    first: First,
    /// Names; or more of KIND/NAME, where that is how it began.
    #[arg(value_name = "NAME")]
    others: Vec<String>,
}

/// The first word.
#[derive(Clone, Debug)]
enum First {
    Kind(Kind),
    Key(Key),
}

impl Subject {
    /// The kind, where no names are given.
    pub(super) fn only_kind(&self) -> Option<Kind> {
        match self.first {
            First::Kind(kind) if self.others.is_empty() => Some(kind),
            _ => None,
        }
    }

    /// Which resources, at least one. Their names have been checked, since they become parts of paths.
    ///
    /// # Errors
    /// No name, or one that cannot be one.
    pub(super) fn keys(&self) -> anyhow::Result<Vec<Key>> {
        let others = self.others.iter().map(String::as_str);
        match &self.first {
            First::Kind(kind) if self.others.is_empty() => bail!("which {kind}? give its name"),
            First::Kind(kind) => others
                .map(|name| key(*kind, name).map_err(Error::msg))
                .collect(),
            First::Key(first) => {
                let others = others.map(|word| both(word).map_err(Error::msg));
                std::iter::once(Ok(first.clone())).chain(others).collect()
            }
        }
    }
}

fn first(word: &str) -> Result<First, String> {
    match word.contains('/') {
        true => both(word).map(First::Key),
        false => super::kind(word).map(First::Kind),
    }
}

fn both(word: &str) -> Result<Key, String> {
    let (kind, name) = word.split_once('/').unwrap_or((word, ""));
    key(super::kind(kind)?, name)
}

fn key(kind: Kind, name: &str) -> Result<Key, String> {
    let checked = Key::check_name(name);
    checked.map_err(|error| format!("`{name}` is not the name of a {kind}: {error}"))?;
    Ok(Key::new(kind, name))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::Subject;

    fn read(words: &[&str]) -> Result<Vec<String>, String> {
        let command = Subject::augment_args(Command::new("get"));
        let words = std::iter::once("get").chain(words.iter().copied());
        let matches = command.try_get_matches_from(words);
        let matches = matches.map_err(|error| error.to_string())?;
        let subject = Subject::from_arg_matches(&matches).unwrap();
        let keys = subject.keys().map_err(|error| error.to_string())?;
        Ok(keys.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn resources_are_named_in_either_form() {
        assert_eq!(read(&["routes", "a", "b"]).unwrap(), ["route/a", "route/b"]);
        let mixed = read(&["route/a", "service/b"]).unwrap();
        assert_eq!(mixed, ["route/a", "service/b"]);
    }

    #[test]
    fn what_names_no_resource_is_refused_with_a_reason() {
        for (words, reason) in [
            (&["route"][..], "which route"),
            (&["rout", "a"], "did you mean `route`"),
            (&["rout/a"], "did you mean `route`"),
            (&["route/a", "b"], "not a kind"),
            (&["route", "../b"], "is not the name of a route"),
            (&["route/"], "is not the name"),
        ] {
            let error = read(words).unwrap_err();
            assert!(error.contains(reason), "{words:?}: {error}");
        }
    }
}
