//! Which of the fields that the gateway itself looks at a request has. Most have few fields and hardly any of
//! these: to pass over their names once costs less than to look up each.

use http::HeaderMap;

/// What there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Fields that are for one connection only.
    pub(super) hop_by_hop: bool,
    /// Fields that only the gateway may say.
    pub(super) own: bool,
    /// `Forwarded`.
    pub(super) forwarded: bool,
    /// `traceparent`.
    pub(super) traced: bool,
}

impl Seen {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut seen = Self::default();
        for name in headers.keys() {
            match name.as_str() {
                "forwarded" => seen.forwarded = true,
                "traceparent" => seen.traced = true,
                name if super::hop_by_hop::is_hop_by_hop(name) => seen.hop_by_hop = true,
                name => seen.own |= name.starts_with("gatewright-"),
            }
        }
        seen
    }
}
