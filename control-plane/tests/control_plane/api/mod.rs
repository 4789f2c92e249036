//! The admin API, called in process.

mod apply;
mod audit;
mod auth;
mod chain;
mod concurrent;
mod credential;
mod docs;
mod error;
mod explain;
mod export;
mod hostile;
mod list;
mod precondition;
mod reference;
mod registration;
mod resource;
mod revision;
mod running;
mod secret;
mod server;
mod socket;
mod write_only;
