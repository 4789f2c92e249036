//! Settings as the binaries read them: from flags.

use clap::{Args, Command};

/// Settings from flags, each with its value.
///
/// # Panics
/// A flag is unknown, or its value is not one.
pub fn from_flags<S: Args>(flags: &[(&str, &str)]) -> S {
    let flags = flags.iter().flat_map(|(flag, value)| [*flag, *value]);
    let arguments = std::iter::once("test").chain(flags);
    let command = S::augment_args(Command::new("test"));
    let matches = command.try_get_matches_from(arguments).unwrap();
    S::from_arg_matches(&matches).unwrap()
}
