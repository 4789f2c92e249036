use gatewright_proto::v1::{NodeReport, Rollout, ServiceState};
use serde_json::{Value, json};

use super::{Form, Sight, Standing};
use crate::{
    discovery::NodeView,
    rollout::phase::{Action, Phase, Wish},
};

/// A rollout from `a` to `b`, looked at every second, with its route and one node.
struct Run {
    rollout: Rollout,
    standing: Standing,
    /// How the route is.
    form: Form,
    /// What the node has counted: requests and errors, of `a` and of `b`.
    counted: [(u64, u64); 2],
    broken: Option<String>,
    now_ms: i64,
}

impl Run {
    fn of(more: &Value) -> Self {
        let mut value = json!({
            "name": "r", "route": "r", "baseline": "a", "canary": "b",
            "steps": [{"percent": 5, "for_ms": 3000}, {"percent": 50, "for_ms": 3000}],
            "analysis": {"interval_ms": 1000, "max_wait_ms": 5000},
        });
        json_patch::merge(&mut value, more);
        let mut run = Self {
            rollout: serde_json::from_value(value).unwrap(),
            standing: Standing::default(),
            form: Form::Service("a".to_owned()),
            counted: [(1000, 10); 2],
            broken: None,
            now_ms: 1_000_000,
        };
        run.look(None);
        run
    }

    /// A second later: this many more requests and errors, of `a` and of `b`.
    fn second(&mut self, a: (u64, u64), b: (u64, u64)) -> Phase {
        self.now_ms += 1000;
        for (counted, more) in self.counted.iter_mut().zip([a, b]) {
            *counted = (counted.0 + more.0, counted.1 + more.1);
        }
        self.look(None)
    }

    fn good(&mut self) -> Phase {
        self.second((1000, 3), (200, 0))
    }

    fn wish(&mut self, action: Action) -> Phase {
        let (author, comment) = ("alice".to_owned(), String::new());
        self.look(Some(&Wish {
            action,
            author,
            comment,
        }))
    }

    /// Looks, and carries out what is to be done.
    fn look(&mut self, wish: Option<&Wish>) -> Phase {
        if let Some(intent) = self.decide(wish) {
            self.form = intent.form.clone();
            let percent = self.form.percent("b");
            self.standing.complete(intent, (self.now_ms, percent), 7);
        }
        // As the next control plane finds it.
        self.standing = Standing::read(&self.standing.write());
        self.standing.phase
    }

    fn decide(&mut self, wish: Option<&Wish>) -> Option<super::Intent> {
        let state = |(service, (requests, errors)): (&str, (u64, u64))| ServiceState {
            service: service.to_owned(),
            requests,
            errors,
            ..ServiceState::default()
        };
        let services = ["a", "b"].into_iter().zip(self.counted).map(state);
        let nodes = [NodeView {
            node_id: "x".to_owned(),
            facts: Some(NodeReport {
                services: services.collect(),
                ..NodeReport::default()
            }),
            ..NodeView::default()
        }];
        let sight = Sight {
            rollout: &self.rollout,
            form: self.form.clone(),
            broken: self.broken.clone(),
            nodes: &nodes,
            now_ms: self.now_ms,
        };
        self.standing.turn(&sight, wish)
    }

    fn percent(&self) -> u32 {
        self.form.percent("b")
    }

    fn reasons(&self) -> Vec<&str> {
        let events = self.standing.events.iter();
        events.map(|it| it.reason.as_str()).collect()
    }
}

#[test]
fn a_healthy_canary_gets_more_step_by_step_and_in_the_end_all() {
    let mut run = Run::of(&json!({}));
    let mut shares = vec![run.percent()];
    while run.good() == Phase::Running {
        shares.push(run.percent());
    }
    assert_eq!(shares, [5, 5, 5, 50, 50, 50]);
    assert_eq!(run.standing.phase, Phase::Promoted);
    assert_eq!(run.form, Form::Service("b".to_owned()));
    let expected = [
        "step 1 of 2: 5 %",
        "step 2 of 2: 50 %",
        "all steps passed: promoted",
    ];
    assert_eq!(run.reasons(), expected);
    assert_eq!(run.good(), Phase::Promoted);
}

#[test]
fn a_canary_that_begins_to_fail_is_rolled_back_at_the_next_look_however_long_it_was_well() {
    let mut run = Run::of(&json!({"steps": [{"percent": 5, "for_ms": 3_600_000}]}));
    for _ in 0..1000 {
        assert_eq!(run.good(), Phase::Running);
    }
    // Of all that was seen in this step it is nothing.
    assert_eq!(run.second((1000, 3), (200, 25)), Phase::RolledBack);
    assert_eq!(run.form, Form::Service("a".to_owned()));
    let reason = "error rate 12.5 % against 0.3 % of the baseline: rolled back";
    assert_eq!(run.standing.reason, reason);
    assert_eq!(run.standing.events.last().unwrap().revision, 7);
}

#[test]
fn a_canary_that_has_few_requests_is_judged_as_soon_as_there_are_enough() {
    let mut run = Run::of(&json!({"analysis": {"min_requests": 1000}}));
    let mut seconds = 0;
    while run.second((1000, 0), (400, 8)) == Phase::Running {
        seconds += 1;
    }
    assert_eq!((run.standing.phase, seconds), (Phase::RolledBack, 2));
}

#[test]
fn a_canary_that_fails_is_held_where_a_person_is_to_decide() {
    let mut run = Run::of(&json!({"on_failure": "hold"}));
    assert_eq!(run.second((1000, 0), (200, 100)), Phase::Held);
    assert_eq!((run.good(), run.percent()), (Phase::Held, 5));
    assert_eq!(run.wish(Action::Resume), Phase::Running);
    assert_eq!(run.good(), Phase::Running);
    assert_eq!(run.wish(Action::Abort), Phase::Aborted);
    assert_eq!(
        (run.percent(), run.standing.reason.as_str()),
        (0, "aborted by alice")
    );
}

#[test]
fn without_enough_requests_it_waits_and_is_then_held_and_watched_all_the_same() {
    let mut run = Run::of(&json!({}));
    for _ in 0..7 {
        assert_eq!(run.second((1000, 0), (10, 0)), Phase::Running);
    }
    assert_eq!(run.second((1000, 0), (10, 0)), Phase::Held);
    assert_eq!(run.standing.reason, "the canary had 80 of 100 requests");
    assert_eq!(run.second((1000, 0), (200, 100)), Phase::RolledBack);
}

#[test]
fn a_paused_one_keeps_its_share_is_watched_and_begins_its_step_anew() {
    let mut run = Run::of(&json!({}));
    assert_eq!(run.wish(Action::Pause), Phase::Paused);
    for _ in 0..10 {
        assert_eq!((run.good(), run.percent()), (Phase::Paused, 5));
    }
    assert_eq!(run.wish(Action::Resume), Phase::Running);
    assert_eq!(
        (run.good(), run.good(), run.percent()),
        (Phase::Running, Phase::Running, 5)
    );
    run.good();
    assert_eq!(run.percent(), 50);
    run.wish(Action::Pause);
    assert_eq!(run.second((0, 0), (200, 200)), Phase::RolledBack);
}

#[test]
fn what_a_person_wants_is_done_where_it_can_be() {
    let mut run = Run::of(&json!({}));
    assert_eq!(run.wish(Action::Promote), Phase::Promoted);
    assert_eq!(
        (run.percent(), run.standing.reason.as_str()),
        (100, "promoted by alice")
    );
    for action in Action::ALL {
        assert_eq!(run.wish(action), Phase::Promoted);
    }
    let mut run = Run::of(&json!({}));
    run.wish(Action::Abort);
    assert_eq!(run.wish(Action::Resume), Phase::Running);
    assert_eq!((run.percent(), run.standing.step), (5, 0));
}

#[test]
fn who_changes_the_split_is_right() {
    let mut run = Run::of(&json!({}));
    run.form = Form::Split {
        baseline: 1,
        canary: 1,
    };
    assert_eq!(run.second((1000, 0), (200, 200)), Phase::Superseded);
    assert_eq!(run.percent(), 50);
    assert_eq!(run.good(), Phase::Superseded);
    assert_eq!(run.wish(Action::Resume), Phase::Running);
    assert_eq!(run.percent(), 5);
}

#[test]
fn a_canary_that_cannot_answer_at_all_is_rolled_back_without_any_request() {
    let mut run = Run::of(&json!({}));
    run.broken = Some("service `b` is disabled".to_owned());
    assert_eq!(run.second((1000, 0), (0, 0)), Phase::RolledBack);
    assert_eq!(run.standing.reason, "service `b` is disabled: rolled back");
}

#[test]
fn what_was_about_to_be_written_is_written_taken_for_done_or_given_up() {
    let begun = || {
        let mut run = Run::of(&json!({}));
        run.counted[1] = (2000, 1000);
        run.now_ms += 1000;
        let intent = run.decide(None).unwrap();
        assert_eq!(intent.phase, Phase::RolledBack);
        // The control plane that has just saved this dies.
        run.standing.intent = Some(intent.clone());
        (run, intent)
    };
    let (mut run, intent) = begun();
    assert_eq!(run.decide(None), Some(intent), "it was not written");
    let (mut run, intent) = begun();
    run.form = intent.form;
    assert_eq!(run.decide(None), None, "it was");
    assert_eq!(run.standing.phase, Phase::RolledBack);
    let (mut run, _) = begun();
    run.form = Form::Other;
    assert_eq!(run.decide(None), None, "somebody wrote something else");
    assert_eq!(run.standing.phase, Phase::Superseded);
}

#[test]
fn a_route_that_it_cannot_begin_with_is_waited_for() {
    let mut run = Run::of(&json!({}));
    for (form, reason) in [
        (Form::Other, "route `r` names neither"),
        (
            Form::Service("b".to_owned()),
            "`b` has all requests already",
        ),
    ] {
        (run.standing, run.form) = (Standing::default(), form);
        assert_eq!(run.good(), Phase::Pending);
        assert!(
            run.standing.reason.starts_with(reason),
            "{}",
            run.standing.reason
        );
    }
    run.form = Form::Service("a".to_owned());
    assert_eq!(run.good(), Phase::Running);
}
