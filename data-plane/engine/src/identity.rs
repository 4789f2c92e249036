//! Who calls, as a method of authentication has proven it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};
use smallvec::SmallVec;

use crate::{ClientCertificate, Consumer, Credential, RequestContext};

/// Who calls, as one method or several together have proven it.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The consumer; none where a token stands for itself.
    pub consumer: Option<Arc<Consumer>>,
    /// The configured credential that proved it; none for a token of somebody else.
    pub credential: Option<Arc<Credential>>,
    /// What a token says.
    pub claims: Option<Arc<Claims>>,
    /// The certificate that proved it.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The methods that proved it, as `key-auth`. Empty only of an identity that adds nothing.
    pub methods: Methods,
    /// What is passed on of what proved it.
    pub told: Told,
}

/// Fields that a method of authentication has for others.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// For the upstream, in place of those that the client sent.
    pub upstream: Vec<(HeaderName, HeaderValue)>,
    /// For the client, beside those of the answer, as `Set-Cookie`.
    pub client: Vec<(HeaderName, HeaderValue)>,
}

/// Names of methods, in the order in which they proved something.
pub type Methods = SmallVec<[&'static str; 1]>;

/// What a token says of its bearer.
#[derive(Debug, Default)]
pub struct Claims {
    /// Groups it names, besides those of the consumer.
    pub groups: Vec<Arc<str>>,
    /// What it allows.
    pub scopes: Vec<Arc<str>>,
    /// All that it says.
    pub values: Map<String, Value>,
}

/// That two identities are of different consumers.
#[derive(Debug, PartialEq, Eq)]
pub struct Differs;

impl Identity {
    /// That of a configured credential.
    pub fn of_credential(method: &'static str, credential: &Arc<Credential>) -> Self {
        Self {
            consumer: Some(Arc::clone(&credential.consumer)),
            credential: Some(Arc::clone(credential)),
            claims: None,
            certificate: None,
            methods: Methods::from_elem(method, 1),
            told: Told::default(),
        }
    }

    /// Both at once. Of what both have, but the consumer, the later one's counts.
    ///
    /// # Errors
    /// They are of different consumers.
    pub fn and(mut self, later: Self) -> Result<Self, Differs> {
        if let (Some(one), Some(other)) = (&self.consumer, &later.consumer)
            && one.name != other.name
        {
            return Err(Differs);
        }
        self.methods.extend(later.methods);
        self.told.upstream.extend(later.told.upstream);
        self.told.client.extend(later.told.client);
        Ok(Self {
            consumer: later.consumer.or(self.consumer),
            credential: later.credential.or(self.credential),
            claims: later.claims.or(self.claims),
            certificate: later.certificate.or(self.certificate),
            methods: self.methods,
            told: self.told,
        })
    }
}

impl RequestContext {
    /// Whether something has been proven; an anonymous consumer has not.
    pub fn is_authenticated(&self) -> bool {
        !self.authenticated_by.is_empty()
    }

    /// Whether it is of a member of this group: that of the consumer, or one that the token names.
    pub fn is_in_group(&self, group: &str) -> bool {
        let is = |it: &Arc<str>| **it == *group;
        self.consumer.iter().any(|it| it.groups.iter().any(is))
            || self.claims.iter().any(|it| it.groups.iter().any(is))
    }

    /// Whether the credential or the token allows this.
    pub fn has_scope(&self, scope: &str) -> bool {
        let is = |it: &Arc<str>| **it == *scope;
        self.credential.iter().any(|it| it.scopes.iter().any(is))
            || self.claims.iter().any(|it| it.scopes.iter().any(is))
    }

    /// Takes in what has been proven. An anonymous consumer makes room for it.
    ///
    /// # Errors
    /// It is of another consumer than what was proven before.
    pub(crate) fn identify(&mut self, identity: Identity) -> Result<(), Differs> {
        if identity.methods.is_empty() {
            return Ok(());
        }
        let earlier = match self.is_authenticated() {
            true => Identity {
                consumer: self.consumer.clone(),
                credential: self.credential.clone(),
                claims: self.claims.clone(),
                certificate: self.certificate.clone(),
                methods: self.authenticated_by.clone(),
                told: Told::default(),
            },
            false => Identity::default(),
        };
        let both = earlier.and(identity)?;
        self.consumer = both.consumer;
        self.credential = both.credential;
        self.claims = both.claims;
        self.certificate = both.certificate;
        self.authenticated_by = both.methods;
        Ok(())
    }
}
