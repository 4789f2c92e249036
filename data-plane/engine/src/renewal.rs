//! What the gateway shows upstreams to be let in, and can have anew where an upstream does not take it.

use std::{fmt, future::Future, pin::Pin};

use http::HeaderMap;

/// Has a credential anew that an upstream has refused with 401. The request is sent once more then, if it can be.
pub trait Renewal: Send + Sync + fmt::Debug {
    /// Puts another credential into the fields of the request that was refused. Whether there is one; waits for it in
    /// bounded time.
    fn renew<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
}
