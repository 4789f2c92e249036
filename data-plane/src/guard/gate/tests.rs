use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use gatewright_engine::guard::{Guard, Kept, LimitSettings};

use super::{Connections, Gate, Place, Placed};
use crate::connect::SendError;

fn gate(settings: LimitSettings, connections: &Arc<Connections>) -> Gate {
    let limits = Kept {
        settings,
        state: Arc::default(),
    };
    let guard = Guard {
        limits: Some(Arc::new(limits)),
        ..Guard::default()
    };
    Gate::of(&guard, connections).expect("it limits connections")
}

async fn place(gate: &Gate, port: u16) -> Result<Place, SendError> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let patience = Duration::from_millis(20);
    match gate.place(address, patience, || None::<()>).await? {
        Placed::New(place) => Ok(place),
        Placed::Idle(()) => panic!("there is none"),
    }
}

#[tokio::test]
async fn who_finds_no_place_waits_for_one_and_not_too_many_do() {
    let settings = LimitSettings {
        max_connections: Some(1),
        max_pending: Some(1),
        ..LimitSettings::default()
    };
    let gate = gate(settings, &Arc::default());
    let first = place(&gate, 1).await.unwrap();
    let late = place(&gate, 1).await.unwrap_err();
    assert!(matches!(late, SendError::Overloaded));
    let (second, refused, ()) = tokio::join!(place(&gate, 2), place(&gate, 1), async {
        drop(first);
    });
    assert!(second.is_ok());
    assert!(refused.is_err(), "one waits already");
    assert_eq!(gate.limits.state.pending.taken(), 0);
    assert_eq!(gate.limits.state.connections.taken(), 1);
}

#[tokio::test]
async fn each_target_has_a_limit_of_its_own() {
    let settings = LimitSettings {
        max_connections_per_target: Some(1),
        max_pending: Some(0),
        ..LimitSettings::default()
    };
    let gate = gate(settings, &Arc::default());
    let _one = place(&gate, 1).await.unwrap();
    assert!(place(&gate, 1).await.is_err());
    assert!(place(&gate, 2).await.is_ok());
}

/// Waits for a place at this port as long as it takes.
async fn patient(gate: &Gate, port: u16) -> Place {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let patience = Duration::from_secs(20);
    match gate.place(address, patience, || None::<()>).await {
        Ok(Placed::New(place)) => place,
        _ => panic!("no place at {port}"),
    }
}

#[tokio::test]
async fn who_waits_for_one_target_does_not_take_the_turn_of_who_waits_for_another() {
    let settings = LimitSettings {
        max_connections_per_target: Some(1),
        ..LimitSettings::default()
    };
    let gate = gate(settings, &Arc::default());
    let (first, other) = (patient(&gate, 1).await, patient(&gate, 2).await);
    let mut longer = Box::pin(patient(&gate, 1));
    let mut waits = Box::pin(patient(&gate, 2));
    assert!((&mut longer).now_or_never().is_none());
    assert!((&mut waits).now_or_never().is_none());
    drop(other);
    assert!((&mut longer).now_or_never().is_none());
    assert!((&mut waits).now_or_never().is_some(), "it is for this one");
    drop(first);
    assert!((&mut longer).now_or_never().is_some());
}

#[tokio::test]
async fn a_turn_that_is_not_taken_goes_on_to_the_next() {
    let settings = LimitSettings {
        max_connections: Some(1),
        ..LimitSettings::default()
    };
    let gate = gate(settings, &Arc::default());
    let only = patient(&gate, 1).await;
    let mut gives_up = Box::pin(patient(&gate, 1));
    let mut waits = Box::pin(patient(&gate, 2));
    assert!((&mut gives_up).now_or_never().is_none());
    assert!((&mut waits).now_or_never().is_none());
    drop(only);
    assert!((&mut waits).now_or_never().is_none(), "it is not first");
    drop(gives_up);
    assert!((&mut waits).now_or_never().is_some());
    assert_eq!(gate.limits.state.pending.taken(), 0);
}
