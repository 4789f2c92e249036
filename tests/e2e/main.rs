//! The whole under test: control planes on a real database, nodes, traffic.

#![allow(clippy::unwrap_used)]

mod churn;
mod cognito;
mod endpoint;
mod fetching;
mod fleet;
mod health;
mod identity;
mod ip_reputation;
mod jwt;
mod jwt_cases;
mod key_sets;
mod login;
mod mistakes;
mod older_node;
mod outage;
mod provider;
mod registrations;
mod revocation;
mod rollouts;
mod secrets;
mod signer;
mod writers;
