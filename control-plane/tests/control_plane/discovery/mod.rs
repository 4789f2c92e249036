//! The stream as a node sees it: scripted nodes on real sockets, a real store.

mod fleet;
mod model;
mod plane;
mod refusals;
mod resume;
mod sessions;
mod tls;
