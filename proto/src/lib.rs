//! The contract of the two planes: the resources (`resource.proto` and what it imports) and the stream that carries them
//! (`discovery.proto`). Generated types, the one way to name a resource ([`Key`]), the few places
//! where JSON is spelled unlike protobuf ([`json`]) and the hashes both sides compare ([`Version`],
//! [`Digest`]). Nothing here decides anything.
//!
//! A resource has one type. It is the JSON of the admin API, the document in the database, the YAML
//! of `gatewright apply` and the message on the stream: unknown fields are refused where JSON is
//! read and ignored where protobuf is, which is what a rolling upgrade needs.

/// The generated messages.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::wildcard_imports,
    clippy::too_many_lines,
    clippy::needless_pass_by_value
)]
pub mod v1 {
    tonic::include_proto!("gatewright.v1");

    pub use kind::Kind;
    mod kind {
        use super::{
            Certificate, Consumer, ConsumerGroup, Credential, KeySet, Plugin, Rollout, Route,
            Secret, Service, Target, Upstream, resource::Resource,
        };
        include!(concat!(env!("OUT_DIR"), "/kind.rs"));
    }
}

/// The generated messages of `ext_authz.proto`: what authorizers are asked over gRPC, and what they say.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::wildcard_imports,
    clippy::too_many_lines,
    clippy::needless_pass_by_value
)]
pub mod ext_authz {
    tonic::include_proto!("envoy.service.auth.v3");
}

pub mod json;
mod key;
pub mod latency;
mod version;

pub use key::{InvalidName, Key, UnknownKind};
pub use v1::{Kind, resource::Resource};
pub use version::{Digest, Version};

#[cfg(test)]
mod tests;
