//! HashiCorp Vault, engine KV version 2: what secrets come from there, kept as they are there.

mod client;
mod keeper;

pub use client::{Vault, VaultError, VaultSettings};
pub use keeper::Keeper;
