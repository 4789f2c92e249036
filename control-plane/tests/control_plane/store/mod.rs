//! One conformance suite for both back ends: what the trait promises, asked of a real Postgres and of a
//! real SQLite file.

mod audit;
mod conformance;
pub(crate) mod database;
mod lease;
mod rollout;
mod roster;
mod sealing;
mod shared;
mod sqlite;
mod url;
