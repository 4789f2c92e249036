//! When and how it is measured what latency is without load.

use std::time::Duration;

use super::{Gradient, GradientSettings, ms, settings};
use crate::guard::Moment;

/// A limit whose windows last 10 ms, and which is used as far as it goes.
struct Driven {
    gradient: Gradient,
    settings: GradientSettings,
    now: Duration,
    random: f64,
}

impl Driven {
    fn new(settings: GradientSettings, random: f64) -> Self {
        Self {
            gradient: Gradient::default(),
            settings,
            now: ms(1000),
            random,
        }
    }

    fn sample(&self, took: Duration) {
        let (now, random) = (self.now, self.random);
        self.gradient
            .sample(&self.settings, took, Moment { now, random });
    }

    /// Lets a window of 10 ms pass, with ten answers.
    fn window(&mut self, took: Duration) {
        while self.gradient.enter(&self.settings) {}
        self.now += ms(10);
        for _ in 0..10 {
            self.sample(took);
        }
    }

    /// Lets windows pass until the limit is this, and says how much time that took.
    fn until_limit(&mut self, limit: u32, took: Duration) -> Duration {
        let began = self.now;
        while self.gradient.limit() != limit {
            self.window(took);
            assert!(self.now < began + ms(10_000), "{}", self.gradient.limit());
        }
        self.now - began
    }
}

fn quick(pinned: bool) -> GradientSettings {
    GradientSettings {
        max_limit: 20,
        initial_limit: 20,
        update_interval: ms(10),
        baseline_interval: ms(1000),
        pinned,
        ..settings()
    }
}

fn near(duration: Option<Duration>, milliseconds: f64) {
    let found = duration.unwrap().as_secs_f64() * 1000.0;
    assert!((found / milliseconds - 1.0).abs() < 0.04, "{found} ms");
}

#[test]
fn pinned_it_takes_fifty_requests_at_the_smallest_limit_that_began_there() {
    let mut driven = Driven::new(quick(true), 0.0);
    driven.until_limit(3, ms(5));
    near(driven.gradient.undisturbed(), 5.0);
    driven.now += ms(20);
    for _ in 0..60 {
        driven.sample(ms(500));
    }
    for _ in 0..49 {
        driven.sample(ms(4));
    }
    driven.now += ms(20);
    driven.sample(ms(500));
    assert_eq!(driven.gradient.limit(), 3, "49 are not enough");
    driven.sample(ms(4));
    driven.now += ms(20);
    driven.sample(ms(4));
    assert_eq!(driven.gradient.limit(), 20, "as before");
    near(driven.gradient.undisturbed(), 4.0);
}

#[test]
fn from_live_traffic_it_takes_half_the_limit() {
    let mut driven = Driven::new(quick(false), 0.0);
    driven.window(ms(5));
    driven.until_limit(10, ms(5));
    driven.until_limit(20, ms(5));
    near(driven.gradient.undisturbed(), 5.0);
}

#[test]
fn it_is_measured_at_an_interval_and_up_to_fifteen_percent_later() {
    for (random, expected) in [(0.0, ms(1000)), (1.0, ms(1150))] {
        let mut driven = Driven::new(quick(true), random);
        let took = driven.until_limit(3, ms(5));
        let most = expected + ms(40);
        assert!((expected..=most).contains(&took), "{took:?}");
    }
}

#[test]
fn five_windows_at_the_smallest_limit_are_a_reason_to_measure() {
    let rare = GradientSettings {
        baseline_interval: ms(3_600_000),
        ..quick(true)
    };
    let mut driven = Driven::new(rare, 0.0);
    driven.window(ms(5));
    driven.window(ms(5));
    // An upstream that is ten times as slow for good.
    driven.until_limit(3, ms(50));
    let began = driven.now;
    while driven.gradient.undisturbed().unwrap() < ms(40) {
        driven.window(ms(50));
        assert!(driven.now < began + ms(1000));
    }
    // Five windows, then 50 ms until the first answer that counts, then fifty of them.
    assert!(driven.now - began >= ms(90), "{:?}", driven.now - began);
}
