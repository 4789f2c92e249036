//! The client side of the gateway: a connection that sends requests.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::{exchange::Connection, proxy::Proxy};

/// Serves a connection until it ends. After `drain` is cancelled it closes when the exchange in
/// flight is over, with `Connection: close` where there is still time to say so.
pub async fn serve<Io: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    _io: Io,
    _connection: Arc<Connection>,
    _proxy: Arc<Proxy>,
    _drain: CancellationToken,
) {
}
