//! `fault`: makes requests slow or fail, on purpose.

mod injection;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{Build, Configure, Flow, InvalidSetting, Plugin};
use crate::{RequestContext, mirror::Share};
pub use injection::Injection;
use injection::{Abort, Active};
use settings::Settings;

/// Longest delay, in milliseconds: a request that waits takes room.
const MAX_DELAY_MS: u32 = 60_000;
/// Fastest pace, in KiB a second.
const MAX_KIB_PER_SECOND: u32 = 1_048_576;
/// How long to wait, in milliseconds.
const DELAY: HeaderName = HeaderName::from_static("gatewright-fault-delay-ms");
/// Which status to answer.
const STATUS: HeaderName = HeaderName::from_static("gatewright-fault-status");
/// Which status of gRPC to answer.
const GRPC_STATUS: HeaderName = HeaderName::from_static("gatewright-fault-grpc-status");
/// How fast the body is to come, in KiB a second.
const PACE: HeaderName = HeaderName::from_static("gatewright-fault-kib-per-second");

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct Fault {
    delay: Option<(Duration, Share)>,
    abort: Option<(Abort, Share)>,
    pace: Option<(u32, Share)>,
    by_header: bool,
    max_active: u32,
    active: Arc<AtomicU32>,
}

impl Configure for Fault {
    const NAME: &'static str = "fault";
    const SUMMARY: &'static str = "Makes requests slow or fail, on purpose.";
    const DOCS: &'static str = "\
Injects faults, to see how clients and services take them: a delay, then an answer instead of the service's (`abort`), or a body that
comes slowly (`pace`). Which requests is drawn at random, for each of the three by itself; `when` narrows it down.

A fault happens after all plugins have run, in the place of the service. So it is no attempt: it is not retried, counts for
no breaker and no health, and a delay is not part of the request's timeout. Refusals of other plugins are not delayed. Of several
instances, the first that has a fault for a request counts.

An abort is answered as `application/problem+json` with the code `fault_injected`; for gRPC (`grpc_status`, and a request with the content type
`application/grpc`) as a gRPC status. Each fault is counted in `gatewright_plugin_refusals_total` with that code, and named in
the access line's `refusals`, also where it is only a delay.

With `by_header`, clients say what they want: `Gatewright-Fault-Delay-Ms` (up to 60,000), `Gatewright-Fault-Status` (200 to 599),
`Gatewright-Fault-Grpc-Status` (0 to 16) and `Gatewright-Fault-Kib-Per-Second` (from 1). The shares of `delay`, `abort` and `pace` still count, where these are given; what a field says takes the place of
their values, and a request without fields meets no fault. The fields are not passed on. Anyone who can reach the route can then make its
requests slow: for test environments, or together with a `when`.

At most `max_active` requests of the instance, on each node, meet a fault at a time; further ones meet none.";
    const EXAMPLE: &'static str = "\
delay: {ms: 250, percent: 10}
abort: {status: 503, percent: 0.5}
max_active: 100";
    const ORDER: i32 = 4000;
    const REFUSES: bool = false;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        settings.check()?;
        let share = |percent: Option<f64>| Share::percent(percent.unwrap_or(100.0));
        let delay = settings
            .delay
            .map(|it| (Duration::from_millis(it.ms.into()), share(it.percent)));
        let abort = settings.abort.map(|it| {
            let abort = Abort {
                status: it
                    .status
                    .and_then(|status| StatusCode::from_u16(status).ok()),
                grpc_status: it.grpc_status,
            };
            (abort, share(it.percent))
        });
        let pace = settings.pace;
        let pace = pace.map(|it| (it.kib_per_second, share(it.percent)));
        Ok(Self {
            delay,
            abort,
            pace,
            by_header: settings.by_header,
            max_active: settings.max_active,
            active: build
                .states
                .keep(Self::NAME, build.name, || AtomicU32::new(0)),
        })
    }
}

impl Plugin for Fault {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let random = [rand::random(), rand::random(), rand::random()];
        let drawn = self.draw(&mut request.headers, random);
        let is_grpc = request
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"));
        let abort = drawn.abort.and_then(|abort| abort.answer(is_grpc));
        if drawn.delay.is_none() && drawn.pace.is_none() && abort.is_none() {
            return Flow::Continue;
        }
        match Active::begin(&self.active, self.max_active) {
            Some(active) => {
                let injection = Injection::new(drawn.delay, abort, drawn.pace, active);
                Flow::Inject(Box::new(injection))
            }
            None => Flow::Continue,
        }
    }
}

/// What a request meets.
struct Drawn {
    delay: Option<Duration>,
    abort: Option<Abort>,
    pace: Option<u32>,
}

impl Drawn {
    /// As the fields say, which are taken out.
    fn by_header(headers: &mut HeaderMap) -> Self {
        let delay = number(headers, &DELAY);
        let delay = delay.map(|ms| Duration::from_millis(ms.min(MAX_DELAY_MS).into()));
        let status = number(headers, &STATUS).and_then(|it| u16::try_from(it).ok());
        let status = status.filter(|it| (200..=599).contains(it));
        let grpc_status = number(headers, &GRPC_STATUS).filter(|it| *it <= 16);
        let asked = status.is_some() || grpc_status.is_some();
        Self {
            delay: delay.filter(|it| !it.is_zero()),
            abort: asked.then(|| Abort {
                status: status.and_then(|status| StatusCode::from_u16(status).ok()),
                grpc_status,
            }),
            pace: number(headers, &PACE).map(|it| it.clamp(1, MAX_KIB_PER_SECOND)),
        }
    }
}

impl Fault {
    /// What a request with these fields meets. `random` are uniform.
    fn draw(&self, headers: &mut HeaderMap, random: [u64; 3]) -> Drawn {
        let meant = match self.by_header {
            true => Drawn::by_header(headers),
            false => Drawn {
                delay: self.delay.map(|it| it.0),
                abort: self.abort.map(|it| it.0),
                pace: self.pace.map(|it| it.0),
            },
        };
        let takes = |share: Option<Share>, random| share.is_none_or(|it| it.takes(random));
        let [delay, abort, pace] = random;
        Drawn {
            delay: meant
                .delay
                .filter(|_| takes(self.delay.map(|it| it.1), delay)),
            abort: meant
                .abort
                .filter(|_| takes(self.abort.map(|it| it.1), abort)),
            pace: meant.pace.filter(|_| takes(self.pace.map(|it| it.1), pace)),
        }
    }
}

/// Takes a number out of the fields.
fn number(headers: &mut HeaderMap, name: &HeaderName) -> Option<u32> {
    let value = headers.remove(name)?;
    value.to_str().ok()?.parse().ok()
}
