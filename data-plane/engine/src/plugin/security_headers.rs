//! `security-headers`: tells browsers to be strict with what an API or a site answers.

use http::{HeaderMap, HeaderName, HeaderValue, header, response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, InvalidSetting, Plugin};
use crate::RequestContext;

#[cfg(test)]
mod tests;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const EMBEDDER_POLICY: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");

/// Least `max_age_seconds` of a host on browsers' preload lists: a year.
const PRELOAD_SECONDS: u64 = 31_536_000;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct SecurityHeaders {
    fields: Vec<(HeaderName, HeaderValue)>,
    /// Only over TLS.
    hsts: Option<HeaderValue>,
    remove: Vec<HeaderName>,
    replace: bool,
}

/// Settings of `security-headers`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// `Strict-Transport-Security`, on answers over TLS. Unset: none.
    hsts: Option<Hsts>,
    /// `X-Content-Type-Options: nosniff`.
    no_sniff: bool,
    /// `X-Frame-Options`; `none` leaves it out.
    frame: Frame,
    /// `Referrer-Policy`; empty for none.
    referrer_policy: String,
    /// `Content-Security-Policy`. Unset: none.
    content_security_policy: Option<String>,
    /// `Content-Security-Policy-Report-Only`: a policy that is only tried out. Unset: none.
    content_security_policy_report_only: Option<String>,
    /// `Permissions-Policy`. Unset: none.
    permissions_policy: Option<String>,
    /// `Cross-Origin-Opener-Policy`. Unset: none.
    opener_policy: Option<String>,
    /// `Cross-Origin-Resource-Policy`. Unset: none.
    resource_policy: Option<String>,
    /// `Cross-Origin-Embedder-Policy`. Unset: none.
    embedder_policy: Option<String>,
    /// Whether these replace what the upstream has set.
    replace: bool,
    /// Names of fields that are taken out of answers, as `server` or `x-powered-by`. Up to 100.
    remove: Vec<String>,
}

/// See the fields.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Hsts {
    /// For how long browsers use TLS only, in seconds. 0 makes them forget it.
    max_age_seconds: u64,
    /// Whether it is so for all hosts below this one.
    include_subdomains: bool,
    /// Whether browsers may have it built in; wants `include_subdomains` and a year.
    preload: bool,
}

/// Who may show an answer in a frame.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Frame {
    #[default]
    Deny,
    SameOrigin,
    None,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hsts: None,
            no_sniff: true,
            frame: Frame::Deny,
            referrer_policy: "strict-origin-when-cross-origin".to_owned(),
            content_security_policy: None,
            content_security_policy_report_only: None,
            permissions_policy: None,
            opener_policy: None,
            resource_policy: None,
            embedder_policy: None,
            replace: false,
            remove: Vec::new(),
        }
    }
}

impl Default for Hsts {
    fn default() -> Self {
        Self {
            max_age_seconds: PRELOAD_SECONDS,
            include_subdomains: false,
            preload: false,
        }
    }
}

impl Configure for SecurityHeaders {
    const NAME: &'static str = "security-headers";
    const SUMMARY: &'static str = "Tells browsers to be strict with answers.";
    const DOCS: &'static str = "\
Adds the fields that make browsers strict, to every answer, the gateway's own included. What the upstream
has set stays as it is, unless `replace` is true: it may know better what a page needs.

With no settings at all, answers get `X-Content-Type-Options: nosniff`, `X-Frame-Options: DENY` and
`Referrer-Policy: strict-origin-when-cross-origin`. `Strict-Transport-Security` is only sent over TLS, as
RFC 6797 (7.2) wants; behind a proxy that ends TLS, that is where the trusted hop says so. Try a content
security policy with `content_security_policy_report_only` first: browsers report what it would block.";
    const EXAMPLE: &'static str = "\
hsts: {max_age_seconds: 31536000, include_subdomains: true}
content_security_policy: \"default-src 'self'\"
permissions_policy: camera=(), microphone=()
remove: [server, x-powered-by]";
    const ORDER: i32 = 50;
    const REFUSES: bool = false;
    const PER_CONSUMER: bool = false;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let fields = settings.fields(&mut mistakes);
        let remove = settings.removed(&mut mistakes);
        let hsts = settings.hsts.map(|hsts| hsts.value(&mut mistakes));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            fields,
            hsts,
            remove,
            replace: settings.replace,
        })
    }
}

impl Plugin for SecurityHeaders {
    fn on_response(&self, request: &RequestContext, response: &mut response::Parts) {
        let headers = &mut response.headers;
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.fields {
            self.set(headers, name, value);
        }
        if let Some(hsts) = self.hsts.as_ref().filter(|_| request.client.secure) {
            self.set(headers, &header::STRICT_TRANSPORT_SECURITY, hsts);
        }
    }
}

impl SecurityHeaders {
    fn set(&self, headers: &mut HeaderMap, name: &HeaderName, value: &HeaderValue) {
        if self.replace || !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
}

impl Settings {
    /// Each setting that names a field, with the value it asks for.
    fn asked(&self) -> [(&'static str, HeaderName, Option<&str>); 9] {
        let frame = match self.frame {
            Frame::Deny => Some("DENY"),
            Frame::SameOrigin => Some("SAMEORIGIN"),
            Frame::None => None,
        };
        let no_sniff = self.no_sniff.then_some("nosniff");
        let referrer = Some(self.referrer_policy.as_str()).filter(|policy| !policy.is_empty());
        let csp = self.content_security_policy.as_deref();
        let report_only = self.content_security_policy_report_only.as_deref();
        let permissions = self.permissions_policy.as_deref();
        let opener = self.opener_policy.as_deref();
        let resource = self.resource_policy.as_deref();
        let embedder = self.embedder_policy.as_deref();
        let report_only_field = header::CONTENT_SECURITY_POLICY_REPORT_ONLY;
        let report_only_name = "content_security_policy_report_only";
        let csp_field = header::CONTENT_SECURITY_POLICY;
        [
            ("no_sniff", header::X_CONTENT_TYPE_OPTIONS, no_sniff),
            ("frame", header::X_FRAME_OPTIONS, frame),
            ("referrer_policy", header::REFERRER_POLICY, referrer),
            ("content_security_policy", csp_field, csp),
            (report_only_name, report_only_field, report_only),
            ("permissions_policy", PERMISSIONS_POLICY, permissions),
            ("opener_policy", OPENER_POLICY, opener),
            ("resource_policy", RESOURCE_POLICY, resource),
            ("embedder_policy", EMBEDDER_POLICY, embedder),
        ]
    }

    fn fields(&self, mistakes: &mut Vec<InvalidSetting>) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = Vec::new();
        for (setting, name, value) in self.asked() {
            let Some(value) = value else { continue };
            match HeaderValue::from_str(value) {
                Ok(value) if !value.is_empty() => fields.push((name, value)),
                _ => mistakes.push(InvalidSetting::new(
                    setting,
                    "is empty, or cannot be the value of a header field",
                )),
            }
        }
        fields
    }

    fn removed(&self, mistakes: &mut Vec<InvalidSetting>) -> Vec<HeaderName> {
        if self.remove.len() > 100 {
            mistakes.push(InvalidSetting::new("remove", "has more than 100 entries"));
        }
        let mut names = Vec::new();
        for (index, name) in self.remove.iter().enumerate() {
            let field = format!("remove[{index}]");
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) if FRAMING.contains(&name.as_str()) => mistakes.push(InvalidSetting::new(
                    field,
                    format!("`{name}` frames the message and cannot be taken out"),
                )),
                Ok(name) => names.push(name),
                Err(_) => {
                    let reason = format!("`{name}` is no name of a header field");
                    mistakes.push(InvalidSetting::new(field, reason));
                }
            }
        }
        names
    }
}

/// Fields that frame a message.
const FRAMING: [&str; 4] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
];

impl Hsts {
    fn value(&self, mistakes: &mut Vec<InvalidSetting>) -> HeaderValue {
        if self.preload && (!self.include_subdomains || self.max_age_seconds < PRELOAD_SECONDS) {
            let reason = format!(
                "wants `include_subdomains` and `max_age_seconds` of {PRELOAD_SECONDS} or more"
            );
            mistakes.push(InvalidSetting::new("hsts.preload", reason));
        }
        let mut text = format!("max-age={}", self.max_age_seconds);
        if self.include_subdomains {
            text.push_str("; includeSubDomains");
        }
        if self.preload {
            text.push_str("; preload");
        }
        HeaderValue::try_from(text).expect("digits and words")
    }
}
