//! Authentication: finds out who calls, by one method or several.
//!
//! A [`Method`] looks at a request and says what it proves; it changes nothing and answers nothing.
//! [`Authentication`] makes a plugin of it: it adds the settings that all methods share ([`shared`]),
//! notes the identity, hides the credential, tells the upstream, and turns refusals into answers. The
//! plugin `authenticate` does the same for a tree of methods ([`requirement`]).

use std::{borrow::Cow, fmt, future::Future, pin::Pin};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Build, InvalidSetting, basic_auth::BasicAuth, introspection::Introspection, jwt::Jwt,
    key_auth::KeyAuth, oidc_login::OidcLogin, settings,
};
use crate::{Code, Identity, Rejection, RequestContext, reference::Reference};

mod attached;
mod authenticate;
pub(super) mod bearer;
pub(super) mod binding;
pub(super) mod claims_to_headers;
pub(super) mod meaning;
pub(super) mod required_claims;
mod requirement;
mod shared;
pub(super) mod source;
#[cfg(test)]
mod tests;

pub(super) use attached::{Authentication, plugin_type};
pub(super) use authenticate::AUTHENTICATE;

/// Where methods of authentication run in the chain.
const ORDER: i32 = 1000;

/// A way to prove who calls.
pub(crate) trait Method: Send + Sync + fmt::Debug {
    /// Looks for its credential in a request, and at what it proves. Configuration that it needs and
    /// that is missing or was withheld is a refusal with a code of its own ([`Refusal::because`]).
    fn verify(&self, request: &RequestContext) -> Verdict;

    /// See [`super::Plugin::wants_client_certificate`].
    fn wants_client_certificate(&self) -> bool {
        false
    }

    /// Takes the credential out of what is forwarded.
    fn hide(&self, request: &mut RequestContext);

    /// Replaces fields that the client may have made up by what is known. Called with every request that goes on.
    fn tell(&self, _request: &mut RequestContext) {}

    /// Answers what is for the method itself, as a browser that comes back from where it has logged in. Nothing is
    /// asked for then, and nothing goes on.
    fn serve(&self, _request: &RequestContext) -> Option<Serving> {
        None
    }

    /// What to say instead of 401 to a client that can be led to where it gets a credential.
    fn invite(&self, _request: &RequestContext) -> Option<Rejection> {
        None
    }

    /// Tells how often what has happened that it counts. Called when metrics are read.
    fn events(&self, _tell: &mut dyn FnMut(&'static str, u64)) {}

    /// The challenge in `WWW-Authenticate` (RFC 9110 section 11.6.1), one or several separated by
    /// commas. `refusal` is there where this method's credential was sent and refused. `realm` needs
    /// no escaping.
    fn challenge(&self, realm: &str, refusal: Option<&Refusal>) -> String;
}

/// What a method says of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// There is no credential for this method.
    Absent,
    /// There is one, and this is whose it is.
    Proven(Identity),
    /// There is one that does not hold, or nobody can tell.
    Refused(Refusal),
    /// It must be waited for.
    Wait(Waiting),
}

/// The answer of a method itself; the method bounds the time.
pub(crate) type Serving = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Rejection>> + Send>>;

/// A verdict to wait for. The method bounds the time; nothing has begun before the first poll, since
/// another method may make it needless.
pub(crate) struct Waiting(Pin<Box<dyn Future<Output = Verdict> + Send>>);

impl Verdict {
    /// One to wait for.
    pub(crate) fn wait(verdict: impl Future<Output = Self> + Send + 'static) -> Self {
        Self::Wait(Waiting(Box::pin(verdict)))
    }

    /// The verdict once nothing has to be waited for.
    async fn settled(mut self) -> Self {
        while let Self::Wait(Waiting(verdict)) = self {
            self = verdict.await;
        }
        self
    }

    /// Refuses a credential; the detail is for the client.
    pub(crate) fn refused(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(Refusal::because(Code::Unauthorized, detail))
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Waiting")
    }
}

/// Why a credential was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// [`Code::Unauthorized`] where the credential is at fault, [`Code::Forbidden`] where it allows too
    /// little (RFC 6750, `insufficient_scope`); any other where the gateway is, which challenges nobody.
    pub(crate) code: Code,
    /// For the client: what is wrong, never a cause inside the gateway.
    pub(crate) detail: Cow<'static, str>,
    /// For log and metrics: snake_case, one of few.
    pub(crate) reason: Option<&'static str>,
    /// Further fields of the answer, as `DPoP-Nonce`.
    fields: Vec<(HeaderName, HeaderValue)>,
    /// Whether it only no longer counts, so that who needs none passes without.
    lapsed: bool,
    /// The method whose credential it was, where there are several.
    by: Option<&'static str>,
}

impl Refusal {
    /// With a code of its own.
    pub(crate) fn because(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            reason: None,
            fields: Vec::new(),
            lapsed: false,
            by: None,
        }
    }

    /// Of something that its bearer cannot help sending, and that only no longer counts: where no credential is needed it
    /// is as if there were none.
    pub(crate) const fn lapsed(mut self) -> Self {
        self.lapsed = true;
        self
    }

    /// With a reason for log and metrics.
    pub(crate) const fn noted_as(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// With a further field in the answer.
    pub(crate) fn with_field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }
}

/// How a method is described and built.
pub(crate) trait ConfigureMethod: Method + Sized + 'static {
    /// kebab-case: the type of its plugin, and its name in a tree.
    const NAME: &'static str;
    /// One line for `gatewright plugins`.
    const SUMMARY: &'static str;
    /// A page of documentation, in Markdown; what all methods have in common is appended to it.
    const DOCS: &'static str;
    /// Settings that work, as YAML.
    const EXAMPLE: &'static str;
    /// Whether the credential is hidden from the upstream unless the settings say otherwise.
    const HIDES: bool;
    /// Its own settings: `deny_unknown_fields`, every field documented, and none named as a shared one.
    type Settings: DeserializeOwned + JsonSchema;

    /// Builds it.
    ///
    /// # Errors
    /// Everything wrong with the settings.
    fn configure(settings: Self::Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>>;

    /// Which resources the settings name, fields relative to the settings.
    fn references(_settings: &Self::Settings) -> Vec<Reference> {
        Vec::new()
    }
}

/// Builds a method from its own settings.
type BuildMethod = fn(Value, &Build<'_>) -> Result<Box<dyn Method>, Vec<InvalidSetting>>;

/// A method, erased.
struct MethodType {
    name: &'static str,
    hides: bool,
    schema: fn() -> Schema,
    build: BuildMethod,
    references: fn(Value) -> Vec<Reference>,
}

impl MethodType {
    const fn of<M: ConfigureMethod>() -> Self {
        Self {
            name: M::NAME,
            hides: M::HIDES,
            schema: || settings::schema_of::<M::Settings>(M::NAME),
            build: |value, build| {
                let settings = settings::read::<M::Settings>(value)?;
                let method: Box<dyn Method> = Box::new(M::configure(settings, build)?);
                Ok(method)
            },
            references: |value| {
                let settings = settings::read::<M::Settings>(value);
                settings.map_or_else(|_| Vec::new(), |settings| M::references(&settings))
            },
        }
    }
}

/// Every method, as `authenticate` knows them.
const METHODS: &[MethodType] = &[
    MethodType::of::<KeyAuth>(),
    MethodType::of::<Jwt>(),
    MethodType::of::<Introspection>(),
    MethodType::of::<BasicAuth>(),
    MethodType::of::<OidcLogin>(),
];
