//! Runs the plugins of a request: the stage *admit*, and its mirror image on the response.
//!
//! The chain of the route is merged, as it runs, with the plugins of the consumer and its groups,
//! once a plugin has found out who that is. What should have run before that moment runs right after
//! it: late is safe, never is not. Nothing is allocated unless a plugin waits, refuses, or has a
//! condition.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, response};
use smallvec::SmallVec;

use super::{Flow, Injection, Instance, WantsBody};
use crate::{Code, Consumer, Decision, Rejection, RequestContext};

#[cfg(test)]
mod tests;

/// An answer instead of forwarding.
#[derive(Debug)]
pub enum Answer {
    /// Refused.
    Reject(Rejection),
    /// Answered; not a refusal.
    Respond(Response<Bytes>),
}

/// Which instances ran, for [`respond`].
#[derive(Debug, Default)]
pub struct Ran {
    steps: SmallVec<[Step; 8]>,
    /// Whose plugins were merged in; two where an anonymous consumer turned out to be known.
    consumers: SmallVec<[Arc<Consumer>; 1]>,
    /// How many of the route's chain have had their turn.
    chain_done: usize,
    /// What is wanted of the body, and by which. Empty for most requests.
    pub(super) wants: Vec<(Step, WantsBody)>,
}

/// One instance that ran.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// 0 is the route's chain, n the plugins of the n-th consumer.
    list: usize,
    index: usize,
}

/// What a flow comes to.
pub(super) enum Verdict {
    Continue,
    Body(WantsBody),
    Reject(Rejection),
    Respond(Response<Bytes>),
    Inject(Box<Injection>),
}

/// Runs `on_request` in order, until one answers.
pub async fn admit(request: &mut RequestContext) -> (Ran, Option<Answer>) {
    let mut ran = Ran::default();
    if request.route.chain.instances.is_empty() && request.consumer.is_none() {
        return (ran, None);
    }
    let answer = ran.walk(request, Place::default()).await;
    (ran, answer)
}

/// Goes on with the chain of the route that the request has now, which begins with all that has run.
pub async fn admit_rest(request: &mut RequestContext, ran: &mut Ran) -> Option<Answer> {
    let known = ran.consumers.last().cloned();
    let place = Place {
        chain_next: ran.chain_done,
        consumer_next: known.as_ref().map_or(0, |it| it.plugins.len()),
        consumer: known,
    };
    ran.walk(request, place).await
}

/// How far the instances have run.
#[derive(Default)]
struct Place {
    chain_next: usize,
    /// Whose plugins are merged in.
    consumer: Option<Arc<Consumer>>,
    consumer_next: usize,
}

/// Runs `on_response` of those that ran, the last one first. Also for the gateway's own answers.
pub fn respond(ran: &Ran, request: &RequestContext, response: &mut response::Parts) {
    for step in ran.steps.iter().rev() {
        if let Some(instance) = ran.instance(*step, request) {
            instance.plugin.on_response(request, response);
        }
    }
}

impl Ran {
    /// Whether none ran, so that there is nothing for [`respond`] to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    async fn walk(&mut self, request: &mut RequestContext, mut at: Place) -> Option<Answer> {
        // Held apart, since plugins may change all of the request.
        let route = Arc::clone(&request.route);
        loop {
            if self.meet(request, &mut at.consumer) {
                at.consumer_next = 0;
            }
            let of_chain = route.chain.instances.get(at.chain_next);
            let consumer = at.consumer.as_ref();
            let of_consumer = consumer.and_then(|it| it.plugins.get(at.consumer_next));
            let (instance, step) = match (of_chain, of_consumer) {
                (None, None) => {
                    self.chain_done = at.chain_next;
                    return None;
                }
                (Some(one), Some(other)) if other.cmp_place(one).is_lt() => {
                    (other, self.step_of_consumer(&mut at.consumer_next))
                }
                (Some(one), _) => (one, Step::take(0, &mut at.chain_next)),
                (None, Some(other)) => (other, self.step_of_consumer(&mut at.consumer_next)),
            };
            if !applies(instance, request) {
                continue;
            }
            self.steps.push(step);
            match settle(instance.plugin.on_request(request)).await {
                Verdict::Continue => {}
                // What is only tried out bounds nothing, but may look.
                Verdict::Body(WantsBody::AtMost(_)) if instance.shadow => {}
                Verdict::Body(wants) => self.wants.push((step, wants)),
                Verdict::Respond(response) => return Some(Answer::Respond(response)),
                Verdict::Inject(fault) => {
                    if request.fault.is_none() {
                        record(request, instance, (Code::FaultInjected, None), false);
                        request.fault = Some(fault);
                    }
                }
                Verdict::Reject(rejection) => {
                    let said = (rejection.code, rejection.reason);
                    record(request, instance, said, instance.shadow);
                    if !instance.shadow {
                        return Some(Answer::Reject(rejection));
                    }
                }
            }
        }
    }

    /// Takes in the consumer's plugins if there are any and it is a new one; says whether it did.
    fn meet(&mut self, request: &RequestContext, known: &mut Option<Arc<Consumer>>) -> bool {
        let with_plugins = |it: &&Arc<Consumer>| !it.plugins.is_empty();
        let Some(consumer) = request.consumer.as_ref().filter(with_plugins) else {
            *known = None;
            return false;
        };
        if known.as_ref().is_some_and(|it| Arc::ptr_eq(it, consumer)) {
            return false;
        }
        *known = Some(Arc::clone(consumer));
        self.consumers.push(Arc::clone(consumer));
        true
    }

    fn step_of_consumer(&self, next: &mut usize) -> Step {
        Step::take(self.consumers.len(), next)
    }

    pub(super) fn instance<'a>(
        &'a self,
        step: Step,
        request: &'a RequestContext,
    ) -> Option<&'a Arc<Instance>> {
        let list = match step.list.checked_sub(1) {
            None => &request.route.chain.instances,
            Some(consumer) => &self.consumers.get(consumer)?.plugins,
        };
        list.get(step.index)
    }
}

impl Step {
    const fn take(list: usize, next: &mut usize) -> Self {
        let index = *next;
        *next += 1;
        Self { list, index }
    }
}

/// Whether an instance runs. Where `when` cannot be evaluated, those that may refuse do.
fn applies(instance: &Instance, request: &mut RequestContext) -> bool {
    if instance.spares(request) {
        return false;
    }
    let Some(when) = &instance.when else {
        return true;
    };
    when.holds(request).unwrap_or_else(|| {
        record(request, instance, (Code::Internal, None), true);
        instance.refuses
    })
}

pub(super) fn record(
    request: &mut RequestContext,
    instance: &Instance,
    (code, reason): (Code, Option<&'static str>),
    shadow: bool,
) {
    request.decisions.push(Decision {
        plugin: Arc::clone(&instance.name),
        code,
        reason,
        shadow,
    });
}

pub(super) async fn settle(mut flow: Flow<'_>) -> Verdict {
    loop {
        flow = match flow {
            Flow::Continue => return Verdict::Continue,
            Flow::Reject(rejection) => return Verdict::Reject(rejection),
            Flow::Respond(response) => return Verdict::Respond(*response),
            Flow::Body(wants) => return Verdict::Body(wants),
            Flow::Inject(fault) => return Verdict::Inject(fault),
            Flow::Wait(future) => future.await,
        };
    }
}
