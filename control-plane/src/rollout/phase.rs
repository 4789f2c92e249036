//! How a rollout goes, and what a person may want of it.

use serde::{Deserialize, Serialize};

/// How a rollout goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has not begun: nobody has looked yet, or its route is not one that it can begin with.
    #[default]
    Pending,
    /// Step by step.
    Running,
    /// A person wants its share to stay. It is watched all the same.
    Paused,
    /// Its share stays until a person decides. It is watched all the same.
    Held,
    /// The canary has all requests.
    Promoted,
    /// The canary failed, and has no requests.
    RolledBack,
    /// A person took the requests away from the canary.
    Aborted,
    /// Somebody else changed the route's split.
    Superseded,
}

impl Phase {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Held => "held",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::Aborted => "aborted",
            Self::Superseded => "superseded",
        }
    }

    /// Whether the canary has a share, and is watched.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Held)
    }

    /// Whether this can be done now.
    pub const fn takes(self, action: Action) -> bool {
        match action {
            Action::Pause => matches!(self, Self::Running | Self::Held),
            Action::Promote => self.is_under_way(),
            Action::Abort => self.is_under_way() || matches!(self, Self::Pending),
            Action::Resume => matches!(
                self,
                Self::Paused | Self::Held | Self::RolledBack | Self::Aborted | Self::Superseded
            ),
        }
    }
}

/// What a person may want of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The share stays as it is.
    Pause,
    /// It goes on with the step that it is at; one that has ended begins anew.
    Resume,
    /// The canary gets all requests now.
    Promote,
    /// The canary gets no more requests.
    Abort,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pause, Self::Resume, Self::Promote, Self::Abort];

    /// As in the path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Abort => "abort",
        }
    }

    /// Reads it from the path.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// What a person wants of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wish {
    pub(super) action: Action,
    pub(super) author: String,
    /// What for; may be empty.
    #[serde(default)]
    pub(super) comment: String,
}

impl Wish {
    /// Reads it from the database; none where it is none, or another version's.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// For people: `aborted by alice: looks wrong`.
    pub(super) fn told(&self, done: &str) -> String {
        let (author, comment) = (&self.author, &self.comment);
        match comment.is_empty() {
            true => format!("{done} by {author}"),
            false => format!("{done} by {author}: {comment}"),
        }
    }
}
