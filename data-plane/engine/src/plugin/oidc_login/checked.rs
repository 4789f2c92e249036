//! Settings of `oidc-login`, checked and compiled.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use http::{HeaderName, header};

use super::{
    Login, OidcLogin, Paths,
    cookies::Cookies,
    event::Events,
    provider::{Endpoints, Provider},
    refresh::Refreshes,
    seal::{self, Sealer},
    session::Lifetimes,
    settings::Settings,
};
use crate::{
    jwt::{Algorithm, Policy, Remembered},
    key_set::check_url,
    plugin::{
        Build, InvalidSetting,
        csrf::is_origin,
        identity::{ConfigureMethod as _, claims_to_headers::ClaimsToHeaders, meaning::Meaning},
        server,
    },
};

const MAX_KEYS: usize = 8;
const MAX_SCOPES: usize = 32;
const MAX_LOCALES: usize = 16;
const MAX_PARAMETERS: usize = 16;
const MAX_TEXT_BYTES: usize = 256;
const MAX_REMEMBERED: usize = 1_000_000;
/// Longest ID token.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Parameters of the authorization request that are not to be chosen.
const OWN_PARAMETERS: [&str; 14] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// Mistakes, as they are found.
struct Checks(Vec<InvalidSetting>);

impl Checks {
    fn wrong(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.0.push(InvalidSetting::new(field, reason));
    }

    fn within(&mut self, field: &str, value: u64, range: RangeInclusive<u64>) {
        if !range.contains(&value) {
            let reason = format!("must be {} to {}", range.start(), range.end());
            self.wrong(field, reason);
        }
    }

    fn at_most(&mut self, field: &str, count: usize, most: usize) {
        if count > most {
            self.wrong(field, format!("has more than {most} entries"));
        }
    }

    /// A path that can be compared with that of a request, which is normalised, and that goes into URLs as it is.
    fn path(&mut self, field: &str, path: &str) -> Box<str> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let segments = path.split('/').skip(1);
        let odd = |segment: &str| matches!(segment, "" | "." | "..");
        let whole = path == "/" || !segments.clone().any(odd);
        if !path.starts_with('/') || !path.bytes().all(plain) || !whole || path.len() > 256 {
            self.wrong(
                field,
                format!("`{path}` is not a path that can be used here"),
            );
        }
        path.into()
    }

    fn url(&mut self, field: &str, url: Option<String>, allow_http: bool) -> Option<Box<str>> {
        let url = url?;
        if let Err(reason) = check_url(&url, allow_http) {
            self.wrong(field, reason.replace("the keys", "what is said there"));
        }
        Some(url.into())
    }
}

/// Compiles them.
pub(super) fn login(settings: Settings, build: &Build<'_>) -> Result<Login, Vec<InvalidSetting>> {
    let mut checks = Checks(Vec::new());
    checks.names(&settings);
    checks.times(&settings);
    let owner = format!(
        "{}\0{}\0{}",
        build.name, settings.client_id, settings.key_set
    );
    let sealer = Sealer::new(checks.session_keys(&settings, build), &owner);
    let paths = checks.paths(&settings);
    let parameters = checks.parameters(&settings);
    let headers = ClaimsToHeaders::compile(&settings.claims_to_headers, &mut checks.0);
    let upstream_header = checks.upstream_header(&settings);
    let ttl = settings
        .persistent
        .then(|| Duration::from_secs(settings.lifetime_seconds));
    let (name, parts) = (&settings.cookie_name, usize::from(settings.max_cookies));
    let login = Login {
        key_set: settings.key_set.as_str().into(),
        parameters,
        scope: settings.scopes.join(" ").into(),
        paths,
        origin: settings.origin.as_deref().map(Into::into),
        plain_http: settings.plain_http,
        cookies: Cookies::new(name, !settings.plain_http, ttl, parts),
        sealer,
        lifetimes: Lifetimes {
            session: settings.lifetime_seconds,
            idle: settings.idle_seconds,
            login: settings.login_seconds,
            refresh_ahead: settings.refresh_ahead_seconds,
            outlive_tokens: settings.outlive_tokens,
        },
        meaning: Meaning {
            consumer_claim: settings.consumer_claim.as_deref().map(Into::into),
            groups_claim: settings.groups_claim.as_deref().map(Into::into),
        },
        headers,
        upstream_token: settings.upstream_token,
        upstream_header,
        opened: Remembered::new(settings.remember),
        opener: Arc::default(),
        refreshes: build
            .states
            .keep(OidcLogin::NAME, build.name, Refreshes::default),
        events: build
            .states
            .keep("oidc-login events", build.name, Events::default),
        provider: checks.provider(settings, build),
    };
    if checks.0.is_empty() {
        return Ok(login);
    }
    Err(checks.0)
}

impl Checks {
    fn names(&mut self, settings: &Settings) {
        if settings.key_set.is_empty() {
            self.wrong("key_set", "is required");
        }
        let id = &settings.client_id;
        if id.is_empty()
            || id.len() > MAX_TEXT_BYTES
            || !id.bytes().all(|it| (b' '..=b'~').contains(&it))
        {
            self.wrong("client_id", "must be 1 to 256 visible ASCII characters");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let name = &settings.cookie_name;
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            let reason = "must be 1 to 64 letters, digits, `-` and `_`";
            self.wrong("cookie_name", reason);
        }
        if let Some(origin) = &settings.origin {
            let secure = origin.starts_with("https://");
            let known = secure || (origin.starts_with("http://") && settings.plain_http);
            if !known || !is_origin(origin) {
                let reason = "is not an origin in lower case, as `https://app.example.com`";
                self.wrong("origin", format!("`{origin}` {reason}"));
            }
        }
    }

    fn times(&mut self, settings: &Settings) {
        self.within("max_cookies", settings.max_cookies.into(), 1..=8);
        self.within(
            "lifetime_seconds",
            settings.lifetime_seconds,
            60..=2_592_000,
        );
        if settings.idle_seconds != 0 {
            let most = settings.lifetime_seconds.max(60);
            self.within("idle_seconds", settings.idle_seconds, 60..=most);
        }
        self.within("login_seconds", settings.login_seconds, 30..=3600);
        self.within(
            "refresh_ahead_seconds",
            settings.refresh_ahead_seconds,
            0..=3600,
        );
        self.within("clock_skew_seconds", settings.clock_skew_seconds, 0..=600);
        self.within("timeout_ms", settings.timeout_ms, 100..=30_000);
        if let Some(max_age) = settings.max_age_seconds {
            self.within("max_age_seconds", max_age, 0..=31_536_000);
        }
        if settings.remember > MAX_REMEMBERED {
            self.wrong("remember", format!("is more than {MAX_REMEMBERED}"));
        }
    }

    fn session_keys(
        &mut self,
        settings: &Settings,
        build: &Build<'_>,
    ) -> Vec<zeroize::Zeroizing<[u8; seal::KEY_BYTES]>> {
        if !(1..=MAX_KEYS).contains(&settings.session_keys.len()) {
            self.wrong("session_keys", format!("give 1 to {MAX_KEYS}"));
        }
        let mut keys = Vec::new();
        for (place, reference) in settings.session_keys.iter().enumerate() {
            let field = format!("session_keys[{place}]");
            let text = build.secret(&field, reference);
            match seal::key(text.expose()) {
                Some(key) => keys.push(key),
                // One that is missing is no mistake; without it nothing is opened.
                None if text.expose().is_empty() => {}
                None => self.wrong(field, "is not 32 bytes in base64"),
            }
        }
        keys
    }

    fn paths(&mut self, settings: &Settings) -> Paths {
        let after = settings.after_logout.as_deref();
        let login = settings.login_path.as_deref();
        let paths = Paths {
            callback: self.path("callback_path", &settings.callback_path),
            login: login.map(|path| self.path("login_path", path)),
            logout: self.path("logout_path", &settings.logout_path),
            after_logout: after.map(|path| self.path("after_logout", path)),
        };
        let own = [
            Some(&*paths.callback),
            paths.login.as_deref(),
            Some(&*paths.logout),
        ];
        let own: Vec<&str> = own.into_iter().flatten().collect();
        if (1..own.len()).any(|place| own[..place].contains(&own[place])) {
            let reason = "`callback_path`, `login_path` and `logout_path` must differ";
            self.wrong("callback_path", reason);
        }
        if paths
            .after_logout
            .as_deref()
            .is_some_and(|path| own.contains(&path))
        {
            let reason = "must be a page, and none of the plugin's own paths";
            self.wrong("after_logout", reason);
        }
        paths
    }

    /// Parameters of the authorization request besides those that each login has of its own.
    fn parameters(&mut self, settings: &Settings) -> Vec<(Box<str>, Box<str>)> {
        self.scopes(&settings.scopes);
        let mut parameters = BTreeMap::from([("scope", settings.scopes.join(" "))]);
        if let Some(prompt) = &settings.prompt {
            let known = ["none", "login", "consent", "select_account"];
            let alone = prompt == "none" || !prompt.split(' ').any(|it| it == "none");
            if !alone || !prompt.split(' ').all(|it| known.contains(&it)) {
                let reason = "must be `none`, or some of `login`, `consent` and `select_account`";
                self.wrong("prompt", reason);
            }
            parameters.insert("prompt", prompt.clone());
        }
        if let Some(seconds) = settings.max_age_seconds {
            parameters.insert("max_age", seconds.to_string());
        }
        self.at_most("ui_locales", settings.ui_locales.len(), MAX_LOCALES);
        for (place, locale) in settings.ui_locales.iter().enumerate() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if locale.is_empty() || locale.len() > 35 || !locale.bytes().all(plain) {
                let reason = format!("`{locale}` is not a language, as `de-CH` is");
                self.wrong(format!("ui_locales[{place}]"), reason);
            }
        }
        if !settings.ui_locales.is_empty() {
            parameters.insert("ui_locales", settings.ui_locales.join(" "));
        }
        let given = &settings.authorization_parameters;
        self.at_most("authorization_parameters", given.len(), MAX_PARAMETERS);
        for (name, value) in given {
            let own = OWN_PARAMETERS.contains(&name.as_str()) || name == "ui_locales";
            if own || name.is_empty() || name.len() + value.len() > 1024 {
                let reason = "is a setting of its own, or not to be chosen";
                self.wrong(format!("authorization_parameters.{name}"), reason);
            }
            parameters.insert(name, value.clone());
        }
        let parameters = parameters.into_iter();
        parameters
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    fn scopes(&mut self, scopes: &[String]) {
        self.at_most("scopes", scopes.len(), MAX_SCOPES);
        if !scopes.iter().any(|scope| scope == "openid") {
            self.wrong("scopes", "`openid` must be among them");
        }
        let in_scope = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let good = |scope: &String| {
            !scope.is_empty() && scope.len() <= MAX_TEXT_BYTES && scope.bytes().all(in_scope)
        };
        for (place, scope) in scopes.iter().enumerate().filter(|(_, scope)| !good(scope)) {
            let reason = format!("`{scope}` is not a scope");
            self.wrong(format!("scopes[{place}]"), reason);
        }
    }

    fn upstream_header(&mut self, settings: &Settings) -> HeaderName {
        let name = HeaderName::from_bytes(settings.upstream_header.as_bytes());
        let framing = [
            header::HOST,
            header::COOKIE,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
            header::TE,
            header::TRAILER,
            header::UPGRADE,
        ];
        match name {
            Ok(name) if !framing.contains(&name) => name,
            _ => {
                let name = &settings.upstream_header;
                let reason = format!("`{name}` is not a field that can be used here");
                self.wrong("upstream_header", reason);
                header::AUTHORIZATION
            }
        }
    }

    fn provider(&mut self, settings: Settings, build: &Build<'_>) -> Provider {
        let mut algorithms = Vec::new();
        for (place, name) in settings.algorithms.iter().enumerate() {
            match Algorithm::named(name) {
                Some(algorithm) => algorithms.push(algorithm),
                None => self.wrong(
                    format!("algorithms[{place}]"),
                    "is not an algorithm known here",
                ),
            }
        }
        let secret = settings.client_secret.as_ref();
        let allow_http = settings.allow_http;
        let endpoints = Endpoints {
            authorization: self.url(
                "authorization_endpoint",
                settings.authorization_endpoint,
                allow_http,
            ),
            token: self.url("token_endpoint", settings.token_endpoint, allow_http),
            end_session: self.url(
                "end_session_endpoint",
                settings.end_session_endpoint,
                allow_http,
            ),
            revocation: self.url(
                "revocation_endpoint",
                settings.revocation_endpoint,
                allow_http,
            ),
        };
        let ca = settings.ca.as_ref().map(|ca| ("ca", ca));
        Provider {
            plugin: Arc::clone(build.name),
            tls: server::tls(ca, build, &mut self.0),
            issuer: settings.issuer.map(Into::into),
            client_id: settings.client_id.as_str().into(),
            secret: secret.map(|it| build.secret("client_secret", it)),
            authentication: settings.client_authentication,
            endpoints,
            allow_http,
            require_iss: settings.require_iss,
            policy: Policy {
                max_bytes: MAX_TOKEN_BYTES,
                algorithms,
                audiences: vec![settings.client_id.into()],
                clock_skew: settings.clock_skew_seconds,
                ..Policy::default()
            },
            max_age: settings.max_age_seconds,
            timeout: Duration::from_millis(settings.timeout_ms),
            caller: build.clients.caller.clone(),
        }
    }
}
