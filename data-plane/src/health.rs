//! Which targets are fit for requests, on this node. What is known belongs to the upstream's name and the target's address:
//! all routes share it, and a change of the configuration forgets nothing.
//!
//! Requests count what becomes of them into their target's [`Health`], without a lock, unless a target has had enough:
//! then it is ejected there and then, if its [`Group`], the upstream, can spare it. All else happens on the control
//! runtime: the keeper ends ejections and compares targets, `checks` asks them. What follows from what was seen is
//! decided by `gatewright_engine::health`.

mod checks;
mod ejecting;
mod group;
mod keeper;
mod plan;
mod probe;
mod standing;
mod state;

pub(crate) use group::Group;
pub(crate) use plan::Way;
pub(crate) use probe::Prober;
pub(crate) use standing::Condition;
pub(crate) use state::Health;
