//! The control plane: keeps the configuration in a database, offers the admin API, checks every write
//! with the engine before it is committed, and streams the result to the nodes.
//! [`ControlPlane::start`] is the way in.

pub mod api;
pub mod catalog;
pub mod check;
mod control_plane;
pub mod discovery;
pub mod document;
pub mod label;
pub mod settings;
pub mod store;
pub mod write;

pub use control_plane::{ControlPlane, StartError};
pub use settings::ControlSettings;
