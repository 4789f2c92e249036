//! The facts of one exchange.

/// What is known of an exchange; becomes the access line, metrics and span when it is over. Told the
/// end by the codec; dropped untold, the client went away.
#[derive(Debug)]
pub struct Record;

impl Record {
    /// The answer was written whole. `bytes` of body went to the client.
    pub fn sent(self, _bytes: u64) {}

    /// The answer's body failed on its way; the client saw an aborted answer.
    pub fn failed(self, _bytes: u64, _error: &crate::body::BodyError) {}
}
