//! What becomes of an exchange when it is over: the *record* stage. One access line, metrics, and a
//! span where tracing is on.

mod record;

pub use record::Record;
