//! Shows, before anything is measured, that both gateways do the same work.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::{
    http::{message_len, status},
    scenario::{GATEWAY, Scenario, request},
};

const PATIENCE: Duration = Duration::from_secs(5);
/// Time until a gateway that has just been started must do its work.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until a gateway does its work: a node that connects late has its configuration late.
pub(crate) fn settle(scenario: Scenario) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    loop {
        match check(scenario) {
            Err(_) if Instant::now() < deadline => thread::yield_now(),
            done => return done,
        }
    }
}

/// Sends what must be let through and what must be refused.
fn check(scenario: Scenario) -> anyhow::Result<()> {
    for (path, key, expected) in scenario.probes() {
        let more = match *key {
            "" => String::new(),
            key => scenario.credential(key)?,
        };
        let response = ask(&request(path, &more))?;
        let got = status(&response);
        ensure!(
            got == *expected,
            "{path} with the key `{key}` was answered with {got} instead of {expected}"
        );
    }
    Ok(())
}

fn ask(request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(GATEWAY)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(request)?;
    receive(&mut socket)
}

fn receive(socket: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let (mut input, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    while message_len(&input).is_none() {
        let read = socket.read(&mut buffer)?;
        ensure!(read > 0, "the connection was closed");
        input.extend_from_slice(&buffer[..read]);
    }
    Ok(input)
}

/// What the origin and the client see of one exchange that is let through, for people to compare.
/// Takes the place of the origin.
pub(crate) fn exchange(scenario: Scenario, origin: &str) -> anyhow::Result<String> {
    let listener = TcpListener::bind(origin).context("the origin's place is taken")?;
    let seen = thread::spawn(move || -> anyhow::Result<Vec<u8>> {
        let (mut socket, _) = listener.accept()?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let request = receive(&mut socket)?;
        socket.write_all(&crate::upstream::response())?;
        Ok(request)
    });
    let requests = scenario.requests()?;
    let response = ask(requests.first().context("no request")?)?;
    let request = seen.join().ok().context("the origin failed")??;
    let head = |message: &[u8]| {
        let text = String::from_utf8_lossy(message);
        text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
    };
    Ok(format!(
        "-- to the origin:\n{}\n-- to the client:\n{}",
        head(&request),
        head(&response)
    ))
}
