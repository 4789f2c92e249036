//! Which targets are fit for requests. Two ways to know: they are asked ([`check`]), and what becomes of their
//! requests is watched ([`outlier`]). Only what follows from what was seen is decided here; who asks, who
//! counts and who keeps time is the data plane.

pub mod check;
pub mod ejection;
pub mod outlier;
pub mod rate;
pub mod streak;
#[cfg(test)]
mod tests;

use outlier::OutlierDetection;

/// How the health of an upstream's targets is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthSpec {
    /// How they are asked; none: they are not.
    pub check: Option<check::Check>,
    /// How those that fail requests are found; none: they are not.
    pub outlier: Option<OutlierDetection>,
}
