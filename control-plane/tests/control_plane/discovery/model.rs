//! Whatever happens in whatever order: what a node holds is what the store has at its revision.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::plane::{Node, Plane};
use crate::store::database::{Database, delete, service};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[tokio::test]
async fn what_a_node_holds_and_does_not_refuse_is_what_the_store_has() {
    for seed in 0..8 {
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let database = Database::sqlite();
    let store = database.open().await;
    let planes = [Plane::start(&store).await, Plane::start(&store).await];
    let mut node = Node::new("node");
    node.connect(&planes[0]).await;
    node.follow().await;
    let mut at = 0;
    for _ in 0..40 {
        match random.random_range(0..10) {
            0 => {
                at = random.random_range(0..2);
                node.disconnect();
                node.connect(&planes[at]).await;
            }
            1 => node.refuses = vec![NAMES[random.random_range(0..NAMES.len())]],
            2 => node.refuses.clear(),
            _ => {
                let count = random.random_range(1..4);
                let edits = (0..count).map(|_| edit(&mut random));
                let mut edits: Vec<_> = edits.collect();
                edits.dedup_by(|one, other| one.key == other.key);
                edits.sort_by(|one, other| one.key.cmp(&other.key));
                edits.dedup_by(|one, other| one.key == other.key);
                planes[random.random_range(0..2)].commit(edits).await;
                planes[at].catalog.fresh().await.unwrap();
            }
        }
        let head = planes[at].catalog.fresh().await.unwrap().head.revision;
        node.follow_to(head).await;
        agree(&node, &planes[at], seed);
    }
    assert_eq!(
        planes[0].costs().1 + planes[1].costs().1,
        0,
        "seed {seed}: nobody was asked"
    );
}

fn edit(random: &mut StdRng) -> gatewright_control_plane::store::Edit {
    let name = NAMES[random.random_range(0..NAMES.len())];
    match random.random_range(0..3) {
        0 => delete(name),
        _ => service(name, &format!("/{}", random.random_range(0..3))),
    }
}

fn agree(node: &Node, plane: &Plane, seed: u64) {
    let state = plane.catalog.present();
    for (key, entry) in &state.entries {
        match node.refused.get(key) {
            Some(refused) => assert_eq!(*refused, entry.held.version, "seed {seed}: {key}"),
            None => assert_eq!(
                node.held.get(key),
                Some(&entry.held.version),
                "seed {seed}: {key}"
            ),
        }
    }
    for key in node.held.keys().chain(node.refused.keys()) {
        assert!(
            state.entries.contains_key(key),
            "seed {seed}: {key} is gone"
        );
    }
}
