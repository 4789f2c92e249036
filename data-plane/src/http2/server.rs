//! The client side of the gateway: a connection whose streams send requests.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::{exchange::Connection, proxy::Proxy};

/// Serves a connection until it ends. After `drain` is cancelled it sends GOAWAY and closes when
/// its streams are over.
pub async fn serve<Io: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    _io: Io,
    _connection: Arc<Connection>,
    _proxy: Arc<Proxy>,
    _drain: CancellationToken,
) {
}
