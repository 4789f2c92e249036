//! What is needed to ask another service where one has failed.

use std::sync::Arc;

use gatewright_engine::Service;
use http::uri::PathAndQuery;

use super::act::Matching;
use crate::{
    body::Body,
    exchange::{Connection, Interim},
    forward::Forward,
    published::LiveService,
};

/// What is needed to ask another service.
pub(super) struct Again<'a> {
    pub(super) service: &'a Arc<Service>,
    pub(super) matched: Matching,
    pub(super) target: Option<PathAndQuery>,
    pub(super) interim: Interim,
    /// Whether the request has no body.
    pub(super) empty: bool,
}

impl<'a> Again<'a> {
    /// The request, once more.
    pub(super) fn forward(
        self,
        live: Option<&'a LiveService>,
        connection: &'a Connection,
        body: &'a mut Body,
    ) -> Forward<'a> {
        Forward {
            service: self.service,
            live,
            matched: self.matched,
            target: self.target,
            upgrade: None,
            interim: self.interim,
            connection,
            body,
        }
    }
}
