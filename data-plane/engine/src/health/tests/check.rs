//! What the results of checks say.

use std::time::Duration;

use super::{
    super::check::{Judge, Pauses, Seen, Thresholds, Verdict},
    SECOND,
};

const THRESHOLDS: Thresholds = Thresholds {
    unhealthy: 3,
    healthy: 2,
};

/// The verdicts after each of these checks.
fn judge(from: Verdict, seen: &[Seen]) -> Vec<Verdict> {
    let mut judge = Judge::new(from);
    let see = |seen: &Seen| {
        let before = judge.verdict();
        let changed = judge.see(*seen, THRESHOLDS);
        assert_eq!(changed, before != judge.verdict());
        judge.verdict()
    };
    seen.iter().map(see).collect()
}

#[test]
fn the_first_check_decides() {
    use Verdict::{Healthy, Unhealthy, Unknown};
    assert_eq!(judge(Unknown, &[Seen::Pass]), [Healthy]);
    assert_eq!(judge(Unknown, &[Seen::Failure]), [Unhealthy]);
    assert_eq!(judge(Unknown, &[Seen::Unfit]), [Unhealthy]);
}

#[test]
fn failures_count_to_the_threshold_and_an_answer_that_says_so_decides_at_once() {
    use Seen::{Failure, Pass, Unfit};
    use Verdict::{Healthy, Unhealthy};
    assert_eq!(
        judge(
            Healthy,
            &[Failure, Failure, Pass, Failure, Failure, Failure]
        ),
        [Healthy, Healthy, Healthy, Healthy, Healthy, Unhealthy]
    );
    assert_eq!(judge(Healthy, &[Unfit]), [Unhealthy]);
}

#[test]
fn an_unhealthy_target_must_pass_more_than_once_in_a_row() {
    use Seen::{Failure, Pass};
    use Verdict::{Healthy, Unhealthy};
    assert_eq!(
        judge(Unhealthy, &[Pass, Failure, Pass, Pass]),
        [Unhealthy, Unhealthy, Unhealthy, Healthy]
    );
}

#[test]
fn how_soon_a_target_is_asked_again_depends_on_what_is_known() {
    let pauses = Pauses {
        healthy: 5 * SECOND,
        unhealthy: 2 * SECOND,
        no_traffic: 60 * SECOND,
        jitter_percent: 10,
    };
    let after = |verdict, traffic| {
        let judge = Judge::new(verdict);
        pauses.after(judge, traffic, 0.0).as_secs()
    };
    assert_eq!(after(Verdict::Healthy, true), 5);
    assert_eq!(after(Verdict::Healthy, false), 60);
    assert_eq!(after(Verdict::Unhealthy, false), 2);
    let mut failing = Judge::new(Verdict::Healthy);
    failing.see(Seen::Failure, THRESHOLDS);
    assert_eq!(pauses.after(failing, false, 0.0), 5 * SECOND);
    let late = pauses.after(Judge::new(Verdict::Healthy), true, 0.5);
    assert_eq!(late, Duration::from_millis(5250));
}
