//! Several attempts of one request at the same time: the first good response wins, and the others are reset.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use gatewright_engine::{
    Rejection,
    retry::{Hedge, Judgement, Permit, Reason, Stop, judge},
};
use http::Request;
use smallvec::SmallVec;
use tokio::time::sleep_until;

use super::{
    Forwarder, Work,
    again::{Next, Progress, note},
    attempt::Tried,
    call::Call,
    failure::nobody,
};
use crate::{
    body::Body,
    connect::SendError,
    exchange::Interim,
    http1::client::{Outgoing, Received},
    upstream::Address,
};

/// An attempt, which ends with its number and what came of it.
type Sending<'f> = Pin<Box<dyn Future<Output = (usize, Result<Received, SendError>)> + Send + 'f>>;

/// The attempts under way, and what there has been so far.
struct Race<'f> {
    live: FuturesUnordered<Sending<'f>>,
    progress: Progress,
    /// Where each attempt goes.
    addresses: SmallVec<[Arc<Address>; 2]>,
    /// When the latest began.
    began: Instant,
    /// Those that began beside another.
    hedges: SmallVec<[usize; 2]>,
    /// Whether there may be more of them.
    open: bool,
    /// Places in the budget, until the race is over.
    permits: SmallVec<[Permit; 2]>,
}

impl Forwarder {
    pub(super) async fn race<'a>(
        &self,
        (call, hedge): (&Call<'a>, &Hedge),
        work: &mut Work<'_, 'a>,
    ) -> Result<Received, Rejection> {
        let picked = self.other(call, &Progress::default()).await;
        let address = picked.ok_or_else(|| nobody(&call.live.upstream))?;
        let mut race = Race::new(call.limit.since);
        work.record.forwarding(race.began, address.socket, None);
        race.start(self, call, &address, work);
        loop {
            let Some((number, sent)) = race.event(call, hedge).await else {
                self.hedge(&mut race, call, work).await;
                continue;
            };
            let place = work.running.iter().position(|it| it.number == number);
            let attempt = place.map(|place| work.running.remove(place));
            let spoken = (call.service.protocol, call.limit);
            let tried = Tried::of(sent, attempt, spoken, work.record);
            let good = tried.sent.is_ok() && call.is_settled(&tried);
            let stop = match judge(good, race.live.len()) {
                Judgement::Discarded => continue,
                Judgement::Wins => Stop::Settled,
                Judgement::Last => {
                    let step = race.progress.step(call, &tried);
                    match self.next(call, &race.progress, step, work.record).await {
                        Ok(next) => {
                            drop(tried);
                            race.resume(self, call, next, work);
                            continue;
                        }
                        Err(stop) => stop,
                    }
                }
            };
            race.count(call, good.then_some(tried.number));
            // Those that lost are reset here.
            let (attempts, address) = (race.progress.begun, race.addresses.swap_remove(number));
            drop(race);
            work.running.clear();
            return call.settle((tried, &address), stop, attempts, work.record);
        }
    }

    /// Begins another attempt beside those under way, where there may be one.
    async fn hedge<'f, 'a>(
        &'f self,
        race: &mut Race<'f>,
        call: &'f Call<'a>,
        work: &mut Work<'_, 'a>,
    ) {
        race.open = false;
        // A body that is still to come goes to one target.
        if !call.is_replayable() || !call.is_received() {
            return;
        }
        let Some(permit) = call.permit() else { return };
        let Some(address) = self.other(call, &race.progress).await else {
            return;
        };
        race.open = true;
        race.hedges.push(race.progress.begun);
        call.live.metrics.retries.retried(Reason::Hedge);
        let next = Next {
            address,
            reason: Reason::Hedge,
            permit: Some(permit),
        };
        race.resume(self, call, next, work);
    }
}

impl<'f> Race<'f> {
    fn new(began: Instant) -> Self {
        Self {
            live: FuturesUnordered::new(),
            progress: Progress::default(),
            addresses: SmallVec::new(),
            began,
            hedges: SmallVec::new(),
            open: true,
            permits: SmallVec::new(),
        }
    }

    /// What happens first: an attempt ends, or it is time for another one (none).
    async fn event(
        &mut self,
        call: &Call<'_>,
        hedge: &Hedge,
    ) -> Option<(usize, Result<Received, SendError>)> {
        let hedges = u32::try_from(self.hedges.len()).unwrap_or(u32::MAX);
        let wait = hedge.wait(hedges, call.policy.per_try_timeout);
        let wait = wait.filter(|_| self.open);
        let at = self.began + wait.unwrap_or(Duration::ZERO);
        // A timer would be up to a millisecond late.
        if wait.is_some() && at <= Instant::now() {
            return None;
        }
        tokio::select! {
            biased;
            Some(ended) = self.live.next() => Some(ended),
            () = sleep_until(at.into()), if wait.is_some() => None,
        }
    }

    /// Begins an attempt after the first.
    fn resume<'a>(
        &mut self,
        forwarder: &'f Forwarder,
        call: &'f Call<'a>,
        next: Next,
        work: &mut Work<'_, 'a>,
    ) {
        self.began = Instant::now();
        note(&next, self.began, work.outgoing, work.record);
        self.start(forwarder, call, &next.address, work);
        self.permits.extend(next.permit);
    }

    fn start<'a>(
        &mut self,
        forwarder: &'f Forwarder,
        call: &'f Call<'a>,
        address: &Arc<Address>,
        work: &mut Work<'_, 'a>,
    ) {
        let number = self.progress.begun;
        let mut own = copy(work.outgoing, number == 0);
        call.begin((address, number, self.began), &mut own, work.running);
        self.progress.begun(address);
        self.addresses.push(Arc::clone(address));
        let (address, limit) = (Arc::clone(address), call.limit_of_try(work.running));
        self.live.push(Box::pin(async move {
            let sent = forwarder.send_within(call, limit, &address, &mut own);
            (number, sent.await)
        }));
    }

    /// Counts the hedges, of which one may have won.
    fn count(&self, call: &Call<'_>, winner: Option<usize>) {
        for hedge in &self.hedges {
            call.live.metrics.retries.hedged(winner == Some(*hedge));
        }
    }
}

/// The request, for one attempt of several. Only the first passes interim responses on.
fn copy(outgoing: &Outgoing, first: bool) -> Outgoing {
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = outgoing.request.method().clone();
    *request.uri_mut() = outgoing.request.uri().clone();
    *request.headers_mut() = outgoing.request.headers().clone();
    Outgoing {
        request,
        upgrade: None,
        interim: match first {
            true => outgoing.interim.clone(),
            false => Interim::none(),
        },
        connect_timeout: outgoing.connect_timeout,
        idle_timeout: outgoing.idle_timeout,
        given_up_after: None,
        began: outgoing.began,
    }
}
