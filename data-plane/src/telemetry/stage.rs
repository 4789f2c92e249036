//! The words for what happens to a request.

use serde::Serialize;

/// A stage of the request path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The connection.
    Accept,
    /// The head.
    Read,
    /// The route.
    Match,
    /// The plugins.
    Admit,
    /// The target.
    Pick,
    /// The upstream.
    Forward,
    /// The answer.
    Respond,
}

impl Stage {
    /// Its name in metrics and spans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Read => "read",
            Self::Match => "match",
            Self::Admit => "admit",
            Self::Pick => "pick",
            Self::Forward => "forward",
            Self::Respond => "respond",
        }
    }
}
