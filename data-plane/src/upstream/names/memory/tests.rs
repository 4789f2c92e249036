use std::time::{Duration, Instant};

use gatewright_engine::{
    Target,
    dns::{DnsBy, DnsSpec},
};

use super::{super::Place, Answer, Memory, Question};

fn target(host: &str) -> Target {
    Target {
        name: host.into(),
        host: host.into(),
        port: 80,
        weight: 100,
        priority: 0,
        srv: false,
    }
}

fn spec(max_stale: Option<u64>) -> DnsSpec {
    DnsSpec {
        by: DnsBy::Servers(Vec::new()),
        min_ttl: seconds(1),
        max_ttl: seconds(300),
        max_stale: max_stale.map(seconds),
    }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn found(last: u8, ttl: u64) -> Answer {
    let place = Place::of(&target("a"), [10, 0, 0, last].into());
    Answer::Found(vec![place], seconds(ttl))
}

fn failed() -> Answer {
    Answer::Failed("no".to_owned())
}

#[test]
fn a_name_is_asked_for_again_when_its_answer_no_longer_holds() {
    let (memory, spec, start) = (Memory::default(), spec(None), Instant::now());
    let targets = [target("a"), target("10.0.0.9")];
    assert!(!memory.knows(&targets));
    let due = memory.due(&targets, &spec, start);
    assert_eq!(due, [Question::of(&targets[0])], "an address is no name");
    memory.learn(due[0].clone(), found(1, 20), (&spec, start));
    assert!(memory.knows(&targets));
    assert_eq!(memory.next(), Some(start + seconds(20)));
    assert_eq!(memory.due(&targets, &spec, start + seconds(19)), []);
    assert_eq!(memory.due(&targets, &spec, start + seconds(20)), due);
    let other = DnsSpec {
        max_ttl: seconds(200),
        ..spec
    };
    let changed = memory.due(&targets, &other, start + seconds(1));
    assert_eq!(changed, due, "it is asked for in another manner now");
    assert_eq!(memory.due(&[], &other, start), []);
    assert!(!memory.knows(&targets), "nobody asks for it any more");
}

#[test]
fn the_last_good_answer_stays_while_nobody_can_say() {
    let (memory, spec, start) = (Memory::default(), spec(Some(60)), Instant::now());
    let targets = [target("a")];
    let question = memory.due(&targets, &spec, start).remove(0);
    let learn = |answer, after| {
        let now = start + seconds(after);
        memory.learn(question.clone(), answer, (&spec, now))
    };
    learn(found(1, 10), 0);
    assert_eq!(learn(failed(), 10), (Some("no".to_owned()), false));
    assert_eq!(learn(Answer::Late, 11).0, None, "said once");
    assert_eq!(memory.places(&targets[0]).len(), 1);
    let standing = memory.standing(start + seconds(40));
    assert_eq!((standing.failing, standing.stale), (1, seconds(30)));
    learn(failed(), 71);
    assert_eq!(memory.places(&targets[0]), [], "it is too old");
    assert_eq!(learn(found(2, 10), 80), (None, true));
    assert_eq!(memory.places(&targets[0]).len(), 1);
    assert_eq!(memory.counts(), [2, 0, 2, 1]);
}

#[test]
fn that_there_is_nothing_is_an_answer() {
    let (memory, spec, start) = (Memory::default(), spec(None), Instant::now());
    let targets = [target("a")];
    let question = memory.due(&targets, &spec, start).remove(0);
    memory.learn(question.clone(), found(1, 10), (&spec, start));
    let nothing = Answer::Nothing(Some(seconds(30)));
    memory.learn(question.clone(), nothing, (&spec, start));
    assert_eq!(memory.places(&targets[0]), []);
    assert_eq!(memory.next(), Some(start + seconds(30)));
    memory.learn(question, Answer::Nothing(None), (&spec, start));
    assert_eq!(memory.next(), Some(start + seconds(5)));
}
