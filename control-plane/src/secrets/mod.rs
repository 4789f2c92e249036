//! Secrets at rest: what is write only and must be read back (a secret's value, a certificate's private key) is
//! encrypted before it comes near the database, and decrypted when it is read from there.
//!
//! Envelope encryption: each value is encrypted (AES-256-GCM) with a data key of its own, and the data key with a
//! master key ([`Keyring`]). What it belongs to is authenticated with it, so that a row's value cannot be
//! put into another row. The tables name the master key of each row, so that [`rotate`] finds what is left to do.

mod field;
mod keyring;
mod rotate;
pub mod vault;

pub use field::{hidden, hides, open, seal};
pub use keyring::{InvalidMasterKey, Keyring, SealError, generate};
pub use rotate::{Rotated, encrypt_plain, rotate};
