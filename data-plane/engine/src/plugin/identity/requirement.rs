//! What has to be proven: by one method, by any of several, or by all of them.

use super::{Method, Refusal, Serving, Verdict};
use crate::{Code, Identity, Rejection, RequestContext};

/// What has to be proven.
#[derive(Debug)]
pub(super) enum Requirement {
    /// By this method.
    Method(Member),
    /// By the first that can. A credential that does not hold is refused, unless a later member proves
    /// something.
    Any(Vec<Self>),
    /// By all of them, and of one consumer.
    All(Vec<Self>),
}

/// A method, and what is known of it from outside.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) hides: bool,
    pub(super) method: Box<dyn Method>,
}

impl Requirement {
    pub(super) fn evaluate(&self, request: &RequestContext) -> Verdict {
        let (members, mut sum) = match self {
            Self::Method(member) => return member.verify(request),
            Self::Any(members) => (members, Sum::of(false)),
            Self::All(members) => (members, Sum::of(true)),
        };
        for (place, member) in members.iter().enumerate() {
            let verdict = member.evaluate(request);
            if let Verdict::Wait(_) = verdict {
                let rest: Vec<(Verdict, Option<&'static str>)> = members[place + 1..]
                    .iter()
                    .map(|member| (member.evaluate(request), member.name()))
                    .collect();
                let first = (verdict, member.name());
                return Verdict::wait(wait_for(sum, first, rest));
            }
            if let Some(verdict) = sum.add(verdict, member.name()) {
                return verdict;
            }
        }
        sum.end()
    }

    /// The answer of the first method that something of its own was asked of.
    pub(super) fn serve(&self, request: &RequestContext) -> Option<Serving> {
        match self {
            Self::Method(member) => member.method.serve(request),
            Self::Any(members) | Self::All(members) => {
                members.iter().find_map(|member| member.serve(request))
            }
        }
    }

    /// What the first method says that can lead the client to a credential.
    pub(super) fn invite(&self, request: &RequestContext) -> Option<Rejection> {
        match self {
            Self::Method(member) => member.method.invite(request),
            Self::Any(members) | Self::All(members) => {
                members.iter().find_map(|member| member.invite(request))
            }
        }
    }

    /// Has all methods tell what they count.
    pub(super) fn events(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        match self {
            Self::Method(member) => member.method.events(tell),
            Self::Any(members) | Self::All(members) => {
                members.iter().for_each(|member| member.events(tell));
            }
        }
    }

    const fn name(&self) -> Option<&'static str> {
        match self {
            Self::Method(member) => Some(member.name),
            Self::Any(_) | Self::All(_) => None,
        }
    }

    /// Whether any method looks at the client's certificate.
    pub(super) fn wants_client_certificate(&self) -> bool {
        match self {
            Self::Method(member) => member.method.wants_client_certificate(),
            Self::Any(members) | Self::All(members) => {
                members.iter().any(Self::wants_client_certificate)
            }
        }
    }

    /// Takes the credentials of all methods out of what is forwarded.
    pub(super) fn hide(&self, request: &mut RequestContext) {
        match self {
            Self::Method(member) if member.hides => member.method.hide(request),
            Self::Method(_) => {}
            Self::Any(members) | Self::All(members) => {
                members.iter().for_each(|member| member.hide(request));
            }
        }
    }

    /// Has all methods tell the upstream what is known.
    pub(super) fn tell(&self, request: &mut RequestContext) {
        match self {
            Self::Method(member) => member.method.tell(request),
            Self::Any(members) | Self::All(members) => {
                members.iter().for_each(|member| member.tell(request));
            }
        }
    }

    /// The challenges of all methods; of the refused one alone where another would not help (403).
    pub(super) fn challenges(&self, realm: &str, refusal: Option<&Refusal>) -> Vec<String> {
        match self {
            Self::Method(member) => {
                let own = |it: &&Refusal| it.by.is_none_or(|by| by == member.name);
                let own = refusal.filter(own);
                match refusal {
                    Some(it) if it.code == Code::Forbidden && own.is_none() => Vec::new(),
                    _ => vec![member.method.challenge(realm, own)],
                }
            }
            Self::Any(members) | Self::All(members) => {
                let each = members.iter();
                each.flat_map(|member| member.challenges(realm, refusal))
                    .collect()
            }
        }
    }
}

impl Member {
    /// What a plugin before this one has proven by the same method needs no further proof; its
    /// credential may be hidden by now.
    fn verify(&self, request: &RequestContext) -> Verdict {
        match self.method.verify(request) {
            Verdict::Absent if request.authenticated_by.contains(&self.name) => {
                Verdict::Proven(Identity::default())
            }
            verdict => verdict,
        }
    }
}

/// What members have said so far.
struct Sum {
    all: bool,
    proven: Option<Identity>,
    refused: Option<Refusal>,
    absent: bool,
}

impl Sum {
    const fn of(all: bool) -> Self {
        Self {
            all,
            proven: None,
            refused: None,
            absent: false,
        }
    }

    /// Adds what a member says, and tells what that comes to where the rest is no matter.
    fn add(&mut self, verdict: Verdict, name: Option<&'static str>) -> Option<Verdict> {
        match verdict {
            Verdict::Absent => self.absent = true,
            Verdict::Proven(identity) if self.all => {
                let earlier = self.proven.take().unwrap_or_default();
                match earlier.and(identity) {
                    Ok(both) => self.proven = Some(both),
                    Err(_) => return Some(Verdict::Refused(together(DIFFERENT))),
                }
            }
            Verdict::Refused(mut refusal) => {
                refusal.by = refusal.by.or(name);
                if self.all {
                    return Some(Verdict::Refused(refusal));
                }
                // The first refusal is told: it is of the method that is preferred.
                self.refused.get_or_insert(refusal);
            }
            verdict @ (Verdict::Proven(_) | Verdict::Wait(_)) => return Some(verdict),
        }
        None
    }

    fn end(self) -> Verdict {
        match (self.refused, self.proven) {
            (Some(refusal), _) => Verdict::Refused(refusal),
            (None, Some(_)) if self.absent => {
                Verdict::Refused(together("a further credential is needed"))
            }
            (None, Some(identity)) => Verdict::Proven(identity),
            (None, None) => Verdict::Absent,
        }
    }
}

/// A refusal of what members say together: no credential is wrong by itself, so that no method's challenge
/// has an error.
pub(super) fn together(detail: &'static str) -> Refusal {
    Refusal {
        by: Some("authenticate"),
        ..Refusal::because(Code::Unauthorized, detail)
    }
}

/// What is said of credentials of different consumers in one request.
pub(super) const DIFFERENT: &str = "the request has credentials of different consumers";

/// Goes on after a member that has to be waited for. Of the later ones, those are waited for that
/// still matter.
async fn wait_for(
    mut sum: Sum,
    first: (Verdict, Option<&'static str>),
    rest: Vec<(Verdict, Option<&'static str>)>,
) -> Verdict {
    for (verdict, name) in std::iter::once(first).chain(rest) {
        if let Some(verdict) = sum.add(verdict.settled().await, name) {
            return verdict;
        }
    }
    sum.end()
}
