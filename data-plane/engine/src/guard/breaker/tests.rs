use std::time::Duration;

use super::{Breaker, BreakerSettings, Change, Judged, Pass, Phase};
use crate::guard::Moment;

const START: Duration = Duration::from_secs(1000);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn settings() -> BreakerSettings {
    BreakerSettings {
        window: ms(10_000),
        min_requests: 10,
        error_percent: 50,
        slow: None,
        open: ms(1000),
        max_open: ms(4000),
        probes: 2,
    }
}

/// A breaker and its time, without jitter.
struct Test {
    breaker: Breaker,
    settings: BreakerSettings,
    now: Duration,
}

impl Test {
    fn new(settings: BreakerSettings) -> Self {
        Self {
            breaker: Breaker::default(),
            settings,
            now: START,
        }
    }

    fn enter(&self) -> Option<Pass> {
        let entered = self.breaker.enter(&self.settings, self.now);
        entered.ok().map(|(pass, _)| pass)
    }

    fn finish(&self, pass: Pass, failed: bool, took: u64) -> Option<Change> {
        let judged = Judged {
            failed,
            took: ms(took),
        };
        let moment = Moment {
            now: self.now,
            random: 0.0,
        };
        self.breaker
            .finish(&self.settings, pass, Some(judged), moment)
    }

    fn send(&self, failed: bool) -> Option<Change> {
        self.finish(self.enter().expect("it passes"), failed, 1)
    }

    fn trip(&self) -> Duration {
        for _ in 0..200 {
            if let Some(change) = self.send(true) {
                assert_eq!(change.to, Phase::Open);
                return change.open_for.expect("it is open for a time");
            }
        }
        panic!("it does not open");
    }
}

#[test]
fn it_opens_at_its_share_of_failures_and_not_before_there_are_enough_requests() {
    let test = Test::new(settings());
    for _ in 0..9 {
        assert_eq!(test.send(true), None);
    }
    let change = test.send(true).expect("ten are enough");
    assert_eq!((change.from, change.to), (Phase::Closed, Phase::Open));
    assert_eq!(change.open_for, Some(ms(1000)));
    assert_eq!(test.enter(), None);
    let refused = test
        .breaker
        .enter(&test.settings, test.now + ms(400))
        .unwrap_err();
    assert_eq!(refused.retry_after, ms(600));
}

#[test]
fn below_its_share_it_stays_closed() {
    let test = Test::new(settings());
    for number in 0..1000 {
        // 490 of 1000, and never half of those so far.
        assert_eq!(test.send(number % 100 >= 51), None);
    }
    assert_eq!(test.breaker.phase(), Phase::Closed);
}

#[test]
fn half_open_it_lets_a_few_probes_through_and_closes_when_all_succeed() {
    let mut test = Test::new(settings());
    test.trip();
    test.now += ms(1000);
    let (one, two) = (test.enter().unwrap(), test.enter().unwrap());
    assert!(one.is_probe() && two.is_probe());
    assert_eq!(test.breaker.phase(), Phase::HalfOpen);
    assert_eq!(test.enter(), None, "only as many as must succeed");
    assert_eq!(test.finish(one, false, 1), None);
    assert_eq!(test.enter(), None, "one has succeeded, one is out");
    let change = test.finish(two, false, 1).expect("both have succeeded");
    assert_eq!((change.from, change.to), (Phase::HalfOpen, Phase::Closed));
    assert!(!test.enter().unwrap().is_probe());
}

#[test]
fn the_open_time_doubles_while_probes_fail_up_to_its_bound() {
    let mut test = Test::new(settings());
    let mut times = vec![test.trip()];
    for _ in 0..3 {
        test.now += *times.last().unwrap();
        let probe = test.enter().expect("a probe passes");
        let change = test.finish(probe, true, 1).expect("it opens again");
        times.push(change.open_for.unwrap());
    }
    assert_eq!(times, [ms(1000), ms(2000), ms(4000), ms(4000)]);
    // Closed for less than a window, it goes on where it was; for longer, it begins anew.
    test.now += ms(4000);
    for _ in 0..2 {
        test.finish(test.enter().unwrap(), false, 1);
    }
    test.now += ms(9000);
    assert_eq!(test.trip(), ms(4000));
    test.now += ms(4000);
    for _ in 0..2 {
        test.finish(test.enter().unwrap(), false, 1);
    }
    test.now += ms(10_000);
    assert_eq!(test.trip(), ms(1000));
    assert_eq!(test.breaker.opened(), 6);
}

#[test]
fn the_open_time_is_spread_by_up_to_a_fifth() {
    let test = Test::new(settings());
    let mut change = None;
    for _ in 0..10 {
        let judged = Some(Judged {
            failed: true,
            took: ms(1),
        });
        let moment = Moment {
            now: test.now,
            random: 1.0,
        };
        let pass = test.enter().unwrap();
        change = test.breaker.finish(&test.settings, pass, judged, moment);
    }
    assert_eq!(change.unwrap().open_for, Some(ms(1200)));
}

#[test]
fn a_probe_of_which_nothing_is_heard_gives_its_place_back() {
    let mut test = Test::new(settings());
    test.trip();
    test.now += ms(1000);
    let (one, _two) = (test.enter().unwrap(), test.enter().unwrap());
    let moment = Moment {
        now: test.now,
        random: 0.0,
    };
    assert_eq!(test.breaker.finish(&test.settings, one, None, moment), None);
    assert!(test.enter().is_some_and(Pass::is_probe));
}

#[test]
fn what_began_before_the_last_change_is_not_counted() {
    let mut test = Test::new(settings());
    let old = test.enter().unwrap();
    test.trip();
    test.now += ms(1000);
    let probe = test.enter().unwrap();
    assert_eq!(test.finish(old, true, 1), None);
    assert_eq!(test.breaker.phase(), Phase::HalfOpen);
    test.finish(probe, false, 1);
    test.finish(test.enter().unwrap(), false, 1);
    for _ in 0..20 {
        assert_eq!(test.finish(old, true, 1), None);
    }
    assert_eq!(test.breaker.phase(), Phase::Closed);
}

#[test]
fn slow_answers_open_it_as_well() {
    let mut test = Test::new(BreakerSettings {
        slow: Some((ms(100), 80)),
        ..settings()
    });
    for number in 0..9 {
        let took = if number < 2 { 1 } else { 100 };
        assert_eq!(test.finish(test.enter().unwrap(), false, took), None);
    }
    let change = test.finish(test.enter().unwrap(), false, 100);
    assert_eq!(change.map(|it| it.to), Some(Phase::Open));
    test.now += ms(1000);
    let probe = test.enter().unwrap();
    let change = test.finish(probe, false, 100);
    assert_eq!(change.map(|it| it.to), Some(Phase::Open), "a slow probe");
}

#[test]
fn other_settings_find_the_phase_as_it_was() {
    let mut test = Test::new(settings());
    test.trip();
    test.settings.window = ms(20_000);
    test.settings.open = ms(9000);
    assert_eq!(test.enter(), None);
    test.now += ms(1000);
    assert!(test.enter().is_some_and(Pass::is_probe));
}
