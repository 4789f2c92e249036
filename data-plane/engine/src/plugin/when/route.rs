//! Conditions of routes: they are asked before anybody knows the consumer, and see the connection.

use cel::{ExecutionError, Value};
use http::HeaderMap;

use super::{Sight, When, check, pattern};
use crate::Query;

impl When {
    /// Compiles the condition of a route.
    ///
    /// # Errors
    /// As for a plugin; and `consumer`, which is not known yet.
    pub(crate) fn compile_for_route(source: &str) -> Result<Self, String> {
        let mut when = Self::parse(source)?;
        if pattern::mentions(&mut when.expression, "consumer") {
            return Err("`consumer` is not known before a route is".to_owned());
        }
        let sight = Sight {
            method: "GET",
            host: "example.com",
            path: "/",
            query: "",
            scheme: "https",
            address: "192.0.2.1",
            connection: Some(("192.0.2.1", "example.com")),
        };
        check(when.evaluate(&sight, Some(&HeaderMap::new()), None))?;
        Ok(when)
    }

    /// Whether it is true of the request; none where it cannot be evaluated. A header that is not there
    /// makes it false.
    pub(crate) fn holds_for(&self, query: &Query<'_>) -> Option<bool> {
        let address = query.client.to_canonical().to_string();
        let peer = query.peer.to_canonical().to_string();
        let sight = Sight {
            method: query.method.as_str(),
            host: query.host,
            path: query.path,
            query: query.query.unwrap_or_default(),
            scheme: if query.secure { "https" } else { "http" },
            address: &address,
            connection: Some((&peer, query.server_name.unwrap_or_default())),
        };
        let headers = self.reads_headers.then_some(query.headers);
        match self.evaluate(&sight, headers, None) {
            Ok(Value::Bool(holds)) => Some(holds),
            Err(ExecutionError::NoSuchKey(_)) => Some(false),
            Ok(_) | Err(_) => None,
        }
    }
}
