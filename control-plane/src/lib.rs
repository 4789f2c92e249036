//! The control plane: keeps the configuration in a database, offers the admin API, checks every write
//! with the engine before it is committed, and streams the result to the nodes.
//!
//! * A write: [`api`] reads it, [`write`] checks and commits it, [`catalog`] moves on, [`discovery`]
//!   sends it to the nodes.
//! * What is wrong is found by the code that the nodes run ([`check`]); nothing is validated twice.
//! * SQL is in [`store`] only.

pub mod api;
pub mod bundle;
pub mod catalog;
pub mod check;
mod control_plane;
pub mod discovery;
pub mod document;
pub mod explain;
pub mod key_sets;
pub mod label;
pub mod registration;
pub mod rollout;
pub mod secrets;
pub mod settings;
pub mod store;
pub mod telemetry;
mod tls;
pub mod write;

pub use control_plane::{ControlPlane, StartError};
pub use settings::ControlSettings;
