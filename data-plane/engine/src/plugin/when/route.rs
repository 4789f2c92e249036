//! Conditions of routes: they are asked before anybody knows the consumer, and see the connection.

use cel::{ExecutionError, Value};

use super::{Conditions, When, sight::Sight};
use crate::Query;

/// What is only known after a route is.
const UNKNOWN: [&str; 5] = ["consumer", "claims", "scopes", "groups", "authenticated_by"];

impl When {
    /// Compiles the condition of a route.
    ///
    /// # Errors
    /// As for a plugin; and `consumer` and its like, which are not known yet.
    pub(crate) fn compile_for_route(source: &str) -> Result<Self, String> {
        let mut conditions = Conditions::default();
        conditions.parse(source)?;
        for name in UNKNOWN {
            if conditions.mentions(name) {
                return Err(format!("`{name}` is not known before a route is"));
            }
        }
        let connection = ("192.0.2.1".to_owned(), "example.com");
        conditions.try_out(&Sight::sample(Some(connection)), None)?;
        Ok(Self {
            source: source.into(),
            conditions,
        })
    }

    /// Whether it is true of the request; none where it cannot be evaluated. A header that is not there
    /// makes it false.
    pub(crate) fn holds_for(&self, query: &Query<'_>) -> Option<bool> {
        let peer = query.peer.to_canonical().to_string();
        let sight = Sight {
            method: query.method.as_str(),
            host: query.host,
            path: query.path,
            query: query.query.unwrap_or_default(),
            scheme: if query.secure { "https" } else { "http" },
            address: query.client.to_canonical().to_string(),
            headers: Some(query.headers),
            connection: Some((peer, query.server_name.unwrap_or_default())),
        };
        match self.conditions.resolve(&sight)? {
            Ok(Value::Bool(holds)) => Some(holds),
            Err(ExecutionError::NoSuchKey(_)) => Some(false),
            Ok(_) | Err(_) => None,
        }
    }
}
