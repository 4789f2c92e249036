mod baseline;

use std::{collections::VecDeque, time::Duration};

use super::{Gradient, GradientSettings, next_limit};
use crate::guard::Moment;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn settings() -> GradientSettings {
    GradientSettings {
        min_limit: 3,
        max_limit: 1000,
        initial_limit: 100,
        buffer_percent: 25,
        update_interval: ms(100),
        baseline_interval: ms(60_000),
        pinned: false,
    }
}

#[test]
fn the_limit_follows_the_latency() {
    let next =
        |median_us: u64| next_limit(&settings(), 100, ms(10), Duration::from_micros(median_us));
    assert_eq!(next(10_000), 136);
    assert_eq!(next(12_500), 110);
    assert_eq!(next(20_000), 70);
    assert_eq!(next(100_000), 57);
    assert_eq!(next(5_000), 214);
    let bounded = |limit, median| next_limit(&settings(), limit, ms(10), ms(median));
    assert_eq!(bounded(900, 5), 1000);
    assert_eq!(bounded(3, 100), 3, "1.5 and its root is 2, below the least");
}

#[test]
fn a_request_over_the_limit_finds_no_place() {
    let settings = GradientSettings {
        initial_limit: 5,
        ..settings()
    };
    let gradient = Gradient::default();
    for _ in 0..5 {
        assert!(gradient.enter(&settings));
    }
    assert!(!gradient.enter(&settings));
    assert_eq!(
        gradient.in_flight(),
        5,
        "it was checked before it was counted"
    );
    gradient.leave();
    assert!(gradient.enter(&settings));
}

#[test]
fn a_window_without_requests_changes_nothing() {
    let gradient = Gradient::default();
    assert!(gradient.enter(&settings()));
    let at = |now| Moment { now, random: 0.0 };
    gradient.sample(&settings(), ms(10), at(ms(1_000)));
    gradient.sample(&settings(), ms(10), at(ms(60_000)));
    assert_eq!(gradient.limit(), 100);
}

/// An upstream under open load, in steps of a millisecond.
struct Simulation<'a> {
    gradient: Gradient,
    settings: GradientSettings,
    /// Latency by the number of requests that were let through in the last second.
    latency: &'a dyn Fn(u64, usize) -> Duration,
    now: u64,
    last_second: VecDeque<u64>,
    /// When each ends, and how long it took by then.
    working: Vec<(u64, Duration)>,
    random: u64,
}

#[derive(Default)]
struct Outcome {
    passed: u64,
    refused: u64,
}

impl<'a> Simulation<'a> {
    fn new(settings: GradientSettings, latency: &'a dyn Fn(u64, usize) -> Duration) -> Self {
        Self {
            gradient: Gradient::default(),
            settings,
            latency,
            now: 1000,
            last_second: VecDeque::new(),
            working: Vec::new(),
            random: 7,
        }
    }

    /// Lets this many seconds pass with so many requests in each.
    fn run(&mut self, seconds: u64, per_second: u64) -> Outcome {
        let mut outcome = Outcome::default();
        for step in 0..seconds * 1000 {
            self.now += 1;
            self.end_some();
            let due = (step + 1) * per_second / 1000 - step * per_second / 1000;
            for _ in 0..due {
                match self.arrive() {
                    true => outcome.passed += 1,
                    false => outcome.refused += 1,
                }
            }
        }
        outcome
    }

    fn arrive(&mut self) -> bool {
        if !self.gradient.enter(&self.settings) {
            return false;
        }
        while self
            .last_second
            .front()
            .is_some_and(|at| at + 1000 <= self.now)
        {
            self.last_second.pop_front();
        }
        self.last_second.push_back(self.now);
        let base = (self.latency)(self.now, self.last_second.len());
        // Up to ten percent more, so that windows differ.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let took = base + base * ((self.random >> 33) % 100) as u32 / 1000;
        self.working
            .push((self.now + took.as_millis() as u64, took));
        true
    }

    fn end_some(&mut self) {
        let now = self.now;
        let (ended, left) = self.working.iter().partition(|(ends, _)| *ends <= now);
        self.working = left;
        let ended: Vec<(u64, Duration)> = ended;
        for (_, took) in ended {
            self.gradient.leave();
            let moment = Moment {
                now: ms(now),
                random: 0.5,
            };
            self.gradient.sample(&self.settings, took, moment);
        }
    }
}

#[test]
fn an_upstream_whose_latency_triples_at_200_a_second_is_held_near_that() {
    for pinned in [false, true] {
        let knee = |_, rate| ms(if rate > 200 { 150 } else { 50 });
        let mut simulation = Simulation::new(
            GradientSettings {
                pinned,
                ..settings()
            },
            &knee,
        );
        simulation.run(5, 100);
        simulation.run(5, 600);
        let outcome = simulation.run(300, 600);
        let passed = outcome.passed / 300;
        assert!((140..=260).contains(&passed), "{passed} a second passed");
    }
}

#[test]
fn what_an_upstream_can_take_is_not_refused() {
    let steady = |_, _| ms(50);
    let mut simulation = Simulation::new(settings(), &steady);
    let outcome = simulation.run(10, 1000);
    assert_eq!(outcome.refused, 0);
    simulation.run(20, 4000);
    let outcome = simulation.run(60, 4000);
    assert_eq!(outcome.refused, 0);
}

#[test]
fn an_upstream_that_became_slower_for_good_gets_its_requests_again() {
    let slower = |now, _| ms(if now > 11_000 { 150 } else { 50 });
    let mut simulation = Simulation::new(settings(), &slower);
    simulation.run(10, 400);
    let at_first = simulation.run(2, 400);
    assert!(at_first.refused > 0, "it cannot know yet");
    simulation.run(80, 400);
    let later = simulation.run(20, 400);
    assert!(
        later.refused * 20 < later.passed,
        "{} refused",
        later.refused
    );
}

#[test]
fn a_limit_that_is_not_used_does_not_grow() {
    let steady = |_, _| ms(50);
    let mut simulation = Simulation::new(settings(), &steady);
    simulation.run(60, 100);
    assert_eq!(simulation.gradient.limit(), 100);
}
