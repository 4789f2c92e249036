//! How connections and streams end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{sync::Notify, time::timeout};

use super::peer::{PATIENCE, Peer, answer, echo, get, limits, whole};
use crate::{
    body::{Body, BodyError},
    proxy::Limits,
};

#[tokio::test]
async fn draining_says_goodbye_and_lets_open_streams_end() {
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, opened) = (Arc::clone(&begun), Arc::clone(&gate));
    let mut peer = Peer::of(limits(), move |_| {
        let (tell, opened) = (Arc::clone(&tell), Arc::clone(&opened));
        Box::pin(async move {
            tell.notify_one();
            opened.notified().await;
            answer(Response::new(Body::Full("late".into())))
        })
    })
    .await;
    let response = peer.send(get("/").body(()).unwrap());
    timeout(PATIENCE, begun.notified()).await.unwrap();
    peer.drain.cancel();
    let goodbye = async {
        while peer.requests.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, goodbye).await.unwrap();
    gate.notify_one();
    assert_eq!(whole(response).await.unwrap().body, "late");
    timeout(PATIENCE, peer.server).await.unwrap().unwrap();
    timeout(PATIENCE, peer.driver)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let idle_timeout = Duration::from_millis(50);
    let limits = Limits {
        idle_timeout,
        ..limits()
    };
    let peer = Peer::of(limits, echo).await;
    timeout(PATIENCE, peer.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_body_that_stalls_fails_with_a_timeout() {
    let body_timeout = Duration::from_millis(50);
    let limits = Limits {
        body_timeout,
        ..limits()
    };
    let mut peer = Peer::of(limits, |incoming| {
        Box::pin(async move {
            let read = incoming.request.into_body().collect().await;
            let late = matches!(read, Err(BodyError::Timeout));
            answer(Response::new(Body::Full(late.to_string().into())))
        })
    })
    .await;
    let request = Request::post("http://shop.test/").body(()).unwrap();
    let (response, _stream) = peer.requests.send_request(request, false).unwrap();
    assert_eq!(whole(response).await.unwrap().body, "true");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let body_timeout = Duration::from_millis(50);
    let limits = Limits {
        body_timeout,
        ..limits()
    };
    let mut peer = Peer::of(limits, |_| {
        let large = Bytes::from(vec![0; 1024 * 1024]);
        Box::pin(async move { answer(Response::new(Body::Full(large))) })
    })
    .await;
    let response = peer.send(get("/").body(()).unwrap());
    let mut response = timeout(PATIENCE, response).await.unwrap().unwrap();
    let body = response.body_mut();
    let given_up = async {
        loop {
            match body.data().await {
                // Read and never released: the window stays shut.
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.reason(),
                None => return None,
            }
        }
    };
    let reason = timeout(PATIENCE, given_up).await.unwrap();
    assert_eq!(reason, Some(Reason::CANCEL));
}

#[tokio::test]
async fn an_answer_that_breaks_is_reset_and_never_passed_off_as_whole() {
    let mut peer = Peer::of(limits(), |_| {
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"some"))),
            Err(BodyError::Closed),
        ];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        Box::pin(async move { answer(Response::new(Body::Stream(Box::pin(body)))) })
    })
    .await;
    let response = peer.send(get("/").body(()).unwrap());
    let reset = whole(response).await.unwrap_err();
    assert_eq!(reset.reason(), Some(Reason::INTERNAL_ERROR));
}

#[tokio::test]
async fn a_client_that_only_opens_and_resets_is_thrown_out() {
    let peer = Peer::of(limits(), |_| Box::pin(std::future::pending())).await;
    let thrown_out = async {
        loop {
            let Ok(mut ready) = peer.requests.clone().ready().await else {
                return;
            };
            let request = get("/").body(()).unwrap();
            let Ok((response, _)) = ready.send_request(request, true) else {
                return;
            };
            // Let it arrive before it is reset.
            tokio::task::yield_now().await;
            drop(response);
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, thrown_out).await.unwrap();
    timeout(PATIENCE, peer.server).await.unwrap().unwrap();
}
