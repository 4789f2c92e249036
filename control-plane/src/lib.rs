//! The control plane: keeps the configuration in a database, offers the admin API, checks every write
//! with the engine before it is committed, and streams the result to the nodes.

pub mod api;
pub mod catalog;
pub mod check;
pub mod discovery;
pub mod document;
pub mod label;
pub mod settings;
pub mod store;
pub mod write;
