//! Looks after an upstream's ejections and rates, on the control runtime, for as long as there is anything to look after.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use gatewright_engine::health::{
    outlier::{Detector, OutlierDetection},
    rate::{BUCKETS, Counts},
};
use tokio::time::{sleep_until, timeout_at};

use super::{
    group::{Group, Targets},
    standing::Trial,
};
use crate::upstream::Address;

/// Shortest time between two looks.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// Looks until there is nothing to look after.
pub(super) async fn keep(group: Weak<Group>) {
    let mut next_part = None;
    loop {
        let Some(present) = group.upgrade() else {
            return;
        };
        let Some(next) = look(&present, &mut next_part) else {
            return;
        };
        let earliest = Instant::now() + MIN_PAUSE;
        let woken = present.wake.notified();
        let _ = timeout_at(next.into(), woken).await;
        drop(present);
        sleep_until(earliest.into()).await;
    }
}

/// Ends what is over and compares targets. Answers when to look again; none where there is nothing to look after.
fn look(group: &Group, next_part: &mut Option<Instant>) -> Option<Instant> {
    let now = Instant::now();
    let targets = group.targets();
    let next = match (&targets, group.outlier()) {
        (Some(targets), Some(outlier)) => {
            let rates = rates(group, targets, &outlier, (now, next_part));
            let returns = returns(group, targets, &outlier, now);
            [rates, returns].into_iter().flatten().min()
        }
        (Some(targets), None) => {
            for address in targets.addresses.iter() {
                group.readmit(targets, &address.state.health, now);
            }
            None
        }
        (None, _) => None,
    };
    if next.is_none() {
        group.unkept(targets.as_ref());
    }
    next
}

/// Lets targets come back whose time is over. Answers when the next one's is.
fn returns(
    group: &Group,
    targets: &Targets<'_>,
    outlier: &OutlierDetection,
    now: Instant,
) -> Option<Instant> {
    let mut next: Option<Instant> = None;
    for address in targets.addresses.iter() {
        let health = &address.state.health;
        let Some(ejection) = health.standing().ejection else {
            continue;
        };
        if now < ejection.until {
            next = Some(next.map_or(ejection.until, |it| it.min(ejection.until)));
        } else if !outlier.probe {
            group.readmit(targets, health, now);
        } else {
            // Also where the answer to the last trial did not come: another request may try.
            let until = now + outlier.terms.base;
            health.change(|standing| {
                if let Some(ejection) = &mut standing.ejection {
                    (ejection.trial, ejection.until) = (Trial::Open, until);
                }
            });
            next = Some(next.map_or(until, |it| it.min(until)));
        }
    }
    next
}

/// Ends a part of the interval where it is over, and compares. Answers when the next part is.
fn rates(
    group: &Group,
    targets: &Targets<'_>,
    outlier: &OutlierDetection,
    (now, next_part): (Instant, &mut Option<Instant>),
) -> Option<Instant> {
    if !outlier.counts_rates() {
        return None;
    }
    if let Some(next) = next_part.filter(|next| now < *next) {
        return Some(next);
    }
    let part = (outlier.interval / BUCKETS).max(MIN_PAUSE);
    *next_part = Some(now + part);
    // Those that are left out have nothing to compare.
    let usable = |it: &&Arc<Address>| it.weight > 0 && it.state.health.usable();
    let compared: Vec<_> = targets.addresses.iter().filter(usable).collect();
    let counts: Vec<Counts> = compared.iter().map(|it| turn(it)).collect();
    let by_rate = outlier.success_rate.as_ref().map(|it| it.outliers(&counts));
    let by_share = outlier
        .failure_percentage
        .as_ref()
        .map(|it| it.outliers(&counts));
    let found = [
        (Detector::SuccessRate, by_rate),
        (Detector::FailurePercentage, by_share),
    ];
    for (detector, places) in found {
        for place in places.into_iter().flatten() {
            group.eject(targets, &compared[place].state.health, (detector, now));
        }
    }
    *next_part
}

/// Begins the next part of a target's interval, and answers the whole.
fn turn(address: &Address) -> Counts {
    let health = &address.state.health;
    let mut standing = health.standing();
    standing.window.push(health.tally.take());
    standing.window.sum()
}
