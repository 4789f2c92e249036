//! What of a schema follows from those that hold of the same value: found once, in an order in which they are known.

use super::{
    Kinds, Node, NodeId, Rule,
    node::{If, Values},
};

/// How far a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Begun,
    Done,
}

/// Tells of each node which kinds are possible, and whether it is read-only.
///
/// # Errors
/// A node that refers to itself without going deeper into the value: checking it would not end.
pub(super) fn settle(nodes: &mut [Node]) -> Result<(), NodeId> {
    let mut marks = vec![Mark::New; nodes.len()];
    for start in 0..nodes.len() {
        // Each is there twice: to begin it, and to finish it when all that it needs is done.
        let mut open = vec![start];
        while let Some(place) = open.last().copied() {
            match marks[place] {
                Mark::Done => _ = open.pop(),
                Mark::Begun => {
                    open.pop();
                    marks[place] = Mark::Done;
                    follow(nodes, place);
                }
                Mark::New => {
                    marks[place] = Mark::Begun;
                    for below in of_same_value(&nodes[place]) {
                        match marks[below as usize] {
                            Mark::New => open.push(below as usize),
                            Mark::Begun => return Err(below),
                            Mark::Done => {}
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Those that are checked with the same value.
fn of_same_value(node: &Node) -> Vec<NodeId> {
    let mut all = Vec::new();
    for rule in &node.rules {
        match rule {
            Rule::Reference(id) | Rule::Not(id) => all.push(*id),
            Rule::AllOf(ids) | Rule::AnyOf(ids) | Rule::OneOf(ids) => all.extend(ids),
            Rule::If(rule) => {
                let If {
                    condition,
                    then,
                    otherwise,
                } = &**rule;
                all.push(*condition);
                all.extend(then.iter().chain(otherwise));
            }
            Rule::Object(rule) => all.extend(rule.when_there.iter().map(|(_, id)| *id)),
            _ => {}
        }
    }
    all
}

fn follow(nodes: &mut [Node], place: usize) {
    let node = &nodes[place];
    let of = |id: &NodeId| &nodes[*id as usize];
    let (mut possible, mut read_only) = (node.kinds, node.read_only);
    for rule in &node.rules {
        match rule {
            Rule::Reference(id) => {
                possible = possible.and(of(id).possible);
                read_only |= of(id).read_only;
            }
            Rule::AllOf(ids) => {
                for id in ids {
                    possible = possible.and(of(id).possible);
                    read_only |= of(id).read_only;
                }
            }
            Rule::AnyOf(ids) | Rule::OneOf(ids) => {
                let any = ids.iter().map(|id| of(id).possible);
                possible = possible.and(any.fold(Kinds::NONE, Kinds::or));
            }
            Rule::Enum(values) => possible = possible.and(of_values(values)),
            _ => {}
        }
    }
    let node = &mut nodes[place];
    node.possible = possible;
    node.read_only = read_only;
}

fn of_values(values: &Values) -> Kinds {
    let texts = match values.texts.is_empty() {
        true => Kinds::NONE,
        false => Kinds::STRING,
    };
    let others = values.others.iter().map(Kinds::of);
    others.fold(texts, Kinds::or)
}
