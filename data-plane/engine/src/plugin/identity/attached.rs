//! The plugin that methods are attached as.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header, response};
use schemars::Schema;
use serde_json::{Map, Value};

use super::{
    ConfigureMethod, MethodType, ORDER, Refusal, Verdict,
    requirement::{DIFFERENT, Member, Requirement, together},
    shared::{self, FIELDS, Shared, tell_upstream},
};
use crate::{
    Code, Note, Rejection, RequestContext, Told,
    plugin::{Build, Flow, InvalidSetting, Plugin, PluginType, settings, spelling::nearest},
    reference::Reference,
};

/// Asks for proof, and does with it what the shared settings say.
#[derive(Debug)]
pub(in crate::plugin) struct Authentication {
    pub(super) name: Arc<str>,
    pub(super) requirement: Requirement,
    pub(super) shared: Shared,
}

impl Plugin for Authentication {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        if let Some(serving) = self.requirement.serve(request) {
            return Flow::Wait(Box::pin(async move {
                match serving.await {
                    Ok(answer) => Flow::Respond(Box::new(answer)),
                    Err(rejection) => Flow::Reject(rejection),
                }
            }));
        }
        match self.requirement.evaluate(request) {
            verdict @ Verdict::Wait(_) => Flow::Wait(Box::pin(async move {
                let verdict = verdict.settled().await;
                self.conclude(request, verdict)
            })),
            verdict => self.conclude(request, verdict),
        }
    }

    fn wants_client_certificate(&self) -> bool {
        self.requirement.wants_client_certificate()
    }

    fn on_response(&self, request: &RequestContext, response: &mut response::Parts) {
        let Some(Note::Other(note)) = request.notes.of(&self.name) else {
            return;
        };
        let Some(ForClient(fields)) = note.downcast_ref() else {
            return;
        };
        for (name, value) in fields {
            response.headers.append(name.clone(), value.clone());
        }
        // What is said to one client is not for the next one of a cache on the way.
        let private = HeaderValue::from_static("private");
        response.headers.append(header::CACHE_CONTROL, private);
    }

    fn events(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        self.requirement.events(tell);
    }
}

/// Fields for the client, as a note.
struct ForClient(Vec<(HeaderName, HeaderValue)>);

impl Authentication {
    fn conclude<'a>(&'a self, request: &mut RequestContext, verdict: Verdict) -> Flow<'a> {
        let mut told = Told::default();
        let outcome = match verdict {
            Verdict::Proven(mut identity) => {
                told = std::mem::take(&mut identity.told);
                request.identify(identity).map_err(|_| together(DIFFERENT))
            }
            Verdict::Absent => match self.without(request) {
                true => Ok(()),
                false => return self.reject(request, None),
            },
            Verdict::Refused(refusal) if refusal.lapsed && self.without(request) => Ok(()),
            Verdict::Refused(refusal) => Err(refusal),
            Verdict::Wait(_) => Err(Refusal::because(Code::Internal, "a defect of the gateway")),
        };
        if let Err(refusal) = outcome {
            return self.reject(request, Some(&refusal));
        }
        self.requirement.hide(request);
        self.requirement.tell(request);
        self.pass_on(told, request);
        if self.shared.identity_headers {
            tell_upstream(request);
        }
        Flow::Continue
    }

    fn pass_on(&self, told: Told, request: &mut RequestContext) {
        request.headers.extend(told.upstream);
        if !told.client.is_empty() {
            let note = Note::Other(Box::new(ForClient(told.client)));
            request.notes.leave(&self.name, note);
        }
    }

    /// Whether a request without a credential passes. What others have proven stays as it is.
    fn without(&self, request: &mut RequestContext) -> bool {
        if request.is_authenticated() {
            return self.shared.optional || self.shared.anonymous(request).is_some();
        }
        let Some(consumer) = self.shared.anonymous(request) else {
            return self.shared.optional;
        };
        request.consumer = Some(consumer.clone());
        true
    }

    fn reject(&self, request: &RequestContext, refusal: Option<&Refusal>) -> Flow<'_> {
        let challenges = refusal.is_none_or(|it| it.code == Code::Unauthorized);
        if challenges && let Some(mut invitation) = self.requirement.invite(request) {
            invitation.reason = refusal.and_then(|it| it.reason).or(invitation.reason);
            return Flow::Reject(invitation);
        }
        let (code, detail) = match refusal {
            Some(refusal) => (refusal.code, refusal.detail.clone()),
            None => (Code::Unauthorized, "a credential is needed".into()),
        };
        let mut rejection = Rejection::new(code, detail);
        rejection.reason = refusal.and_then(|it| it.reason);
        if matches!(code, Code::Unauthorized | Code::Forbidden) {
            let challenges = self.requirement.challenges(&self.shared.realm, refusal);
            for challenge in challenges {
                if let Ok(value) = HeaderValue::from_str(&challenge) {
                    rejection = rejection.with_header(header::WWW_AUTHENTICATE, value);
                }
            }
        }
        for (name, value) in refusal.into_iter().flat_map(|it| &it.fields) {
            rejection = rejection.with_header(name.clone(), value.clone());
        }
        if code == Code::AuthenticationBusy {
            rejection = rejection.with_header(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Flow::Reject(rejection)
    }
}

/// The plugin of a method.
pub(in crate::plugin) const fn plugin_type<M: ConfigureMethod>() -> PluginType {
    PluginType {
        name: M::NAME,
        summary: M::SUMMARY,
        docs: M::DOCS,
        example: M::EXAMPLE,
        order: ORDER,
        refuses: true,
        per_consumer: false,
        schema: schema::<M>,
        build: |text, build| {
            let (own, shared) = divided(settings::parse(text)?);
            let method = const { MethodType::of::<M>() };
            let plugin: Box<dyn Plugin> = Box::new(single(&method, own, shared, build)?);
            Ok(plugin)
        },
        references: |text| {
            let Ok(value) = settings::parse(text) else {
                return Vec::new();
            };
            let (own, shared) = divided(value);
            let mut references = (const { MethodType::of::<M>() }.references)(own);
            references.extend(shared_references(shared));
            for reference in &mut references {
                reference.field.insert_str(0, "settings.");
            }
            references
        },
    }
}

fn single(
    method: &MethodType,
    own: Value,
    shared: Value,
    build: &Build<'_>,
) -> Result<Authentication, Vec<InvalidSetting>> {
    let mut mistakes = Vec::new();
    let own = (method.build)(own, build);
    let read = settings::read::<shared::Settings>(shared);
    let read = read.map_err(|wrong| mistakes.extend(wrong)).ok();
    let hides = read.as_ref().and_then(|it| it.hide_credential);
    let shared = read.map(|settings| Shared::compile(settings, &mut mistakes));
    match (own, shared) {
        (Ok(own), Some(shared)) if mistakes.is_empty() => Ok(Authentication {
            name: Arc::clone(build.name),
            requirement: Requirement::Method(Member {
                name: method.name,
                hides: hides.unwrap_or(method.hides),
                method: own,
            }),
            shared,
        }),
        (own, _) => {
            let mut all = own.err().unwrap_or_default();
            hint(&mut all);
            all.extend(mistakes);
            Err(all)
        }
    }
}

/// An unknown field may be meant for a shared one.
fn hint(mistakes: &mut [InvalidSetting]) {
    for mistake in mistakes {
        if mistake.reason == settings::UNKNOWN
            && let Some(known) = nearest(&mistake.field, FIELDS)
        {
            mistake.reason = format!("{}; `{known}` is one", settings::UNKNOWN);
        }
    }
}

/// The settings of the method, and those that all methods share.
pub(super) fn divided(settings: Value) -> (Value, Value) {
    let Value::Object(mut own) = settings else {
        return (settings, Value::Object(Map::new()));
    };
    let shared = FIELDS
        .iter()
        .filter_map(|name| own.remove_entry(*name))
        .collect();
    (Value::Object(own), Value::Object(shared))
}

/// What the shared settings name.
pub(super) fn shared_references(settings: Value) -> Vec<Reference> {
    let settings = settings::read::<shared::Settings>(settings);
    settings.map_or_else(|_| Vec::new(), |settings| shared::references(&settings))
}

fn schema<M: ConfigureMethod>() -> Schema {
    with_shared((const { MethodType::of::<M>() }.schema)(), Some(M::HIDES))
}

/// A schema, with the settings that all methods share.
pub(super) fn with_shared(mut schema: Schema, hides: Option<bool>) -> Schema {
    let mut shared = settings::schema_of::<shared::Settings>("");
    let field = |schema: &mut Schema| {
        let fields = schema.ensure_object().entry("properties");
        fields.or_insert_with(|| Value::Object(Map::new())).take()
    };
    let (Value::Object(mut own), Value::Object(shared)) = (field(&mut schema), field(&mut shared))
    else {
        return schema;
    };
    own.extend(shared);
    if let (Some(hides), Some(Value::Object(field))) = (hides, own.get_mut("hide_credential")) {
        field.insert("default".to_owned(), hides.into());
    }
    schema.insert("properties".to_owned(), Value::Object(own));
    schema
}
