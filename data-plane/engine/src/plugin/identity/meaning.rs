//! What claims mean, for all methods that find claims: which consumer they name, and which groups.

use std::sync::Arc;

use crate::{
    Claims, Identity, Snapshot,
    jwt::{self, Refusal, Scopes},
};

/// What the settings `consumer_claim` and `groups_claim` say.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Meaning {
    /// Claim that names the consumer: its name, or a JSON pointer. None: the claims stand for themselves.
    pub(in crate::plugin) consumer_claim: Option<Box<str>>,
    /// Claim with groups of the caller: its name, or a JSON pointer.
    pub(in crate::plugin) groups_claim: Option<Box<str>>,
}

/// What claims mean.
#[derive(Debug)]
pub(in crate::plugin) struct Found {
    /// Name of the consumer, where one is asked for.
    consumer: Option<Box<str>>,
    claims: Arc<Claims>,
}

impl Meaning {
    /// What these claims mean, which allow these scopes.
    ///
    /// # Errors
    /// They do not name a consumer that must be named, or groups are no texts.
    pub(in crate::plugin) fn of(
        &self,
        claims: jwt::Claims,
        scopes: &Scopes,
    ) -> Result<Found, Refusal> {
        let consumer = match &self.consumer_claim {
            None => None,
            Some(claim) => {
                let name = claims.get(claim).and_then(|value| value.as_str());
                Some(name.ok_or(Refusal::Claim)?.into())
            }
        };
        let groups = match self.groups_claim.as_deref().and_then(|it| claims.get(it)) {
            None => Vec::new(),
            Some(value) => jwt::texts(value).ok_or(Refusal::ClaimType)?,
        };
        let shared = Claims {
            groups: groups.into_iter().map(Arc::from).collect(),
            scopes: scopes.iter().map(Arc::from).collect(),
            values: claims.into_members(),
        };
        Ok(Found {
            consumer,
            claims: Arc::new(shared),
        })
    }
}

impl Found {
    /// The claims.
    pub(in crate::plugin) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whom that proves, by this method, to whom has this configuration; none where the consumer is not one that is known.
    pub(in crate::plugin) fn identity(
        &self,
        snapshot: &Snapshot,
        method: &'static str,
    ) -> Option<Identity> {
        let consumer = match &self.consumer {
            None => None,
            Some(name) => Some(Arc::clone(snapshot.consumers.by_name.get(&**name)?)),
        };
        Some(Identity {
            consumer,
            claims: Some(Arc::clone(&self.claims)),
            methods: std::iter::once(method).collect(),
            ..Identity::default()
        })
    }
}
