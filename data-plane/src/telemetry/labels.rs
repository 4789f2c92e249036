//! Labels of counters: names of resources, codes and stages, which are bounded.

use prometheus_client::encoding::EncodeLabelSet;

/// Where and why the gateway answered by itself.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RejectionLabels {
    /// The stage.
    pub stage: &'static str,
    /// The code.
    pub code: &'static str,
}

/// What a plugin refused.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RefusalLabels {
    /// Name of the instance.
    pub plugin: String,
    /// What it said.
    pub code: &'static str,
    /// `enforce` or `shadow`.
    pub mode: &'static str,
}

/// Why a credential was refused.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReasonLabels {
    /// Name of the instance.
    pub plugin: String,
    /// Why.
    pub reason: &'static str,
    /// `enforce` or `shadow`.
    pub mode: &'static str,
}

/// Whose requests were answered by a fallback, and which.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct FallbackLabels {
    /// Name of the service that was asked for.
    pub service: String,
    /// `static` or `service`.
    pub kind: &'static str,
}

/// What became of copies of requests.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct MirrorLabels {
    /// The route.
    pub route: String,
    /// The service that got them.
    pub service: String,
    /// `answered`, `failed` (no answer, or 5xx) or `dropped` (not sent, or given up).
    pub result: &'static str,
}

/// Why a connection from a proxy in front was closed.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ProxyHeaderLabels {
    /// `untrusted`, `malformed`, `closed` or `timeout`.
    pub reason: &'static str,
}
