//! Key sets.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use gatewright_proto::{Key, Kind, Resource, Version, v1};

use super::{Compiler, Mistake, field, upstream_tls::check_authorities};
use crate::{
    jwt::{Algorithm, Keys},
    key_set::{KeySet, Remote, check_url},
    reference::SECRET,
};

/// Most keys that are given one by one.
const MAX_KEYS: usize = 100;
/// Longest `kid`, in bytes.
const MAX_KID_BYTES: usize = 256;
const DEFAULT_MIN_REFRESH_MS: u32 = 60_000;
const MAX_REFRESH_MS: u32 = 86_400_000;

impl Compiler<'_> {
    pub(super) fn key_sets(&mut self) -> HashMap<Box<str>, Arc<KeySet>> {
        let mut compiled = HashMap::new();
        for (key, held) in self.held(Kind::KeySet) {
            let Resource::KeySet(set) = &*held.resource else {
                continue;
            };
            let versions = self.versions(held.version, set);
            let previous = self.previous.and_then(|it| it.key_sets.get(&*key.name));
            if let Some(previous) = previous.filter(|it| it.versions == versions)
                && held.resource.enabled()
                && !self.is_bad(key)
            {
                // The very same one: what was found of tokens with its keys still counts.
                compiled.insert(previous.name.clone(), Arc::clone(previous));
                continue;
            }
            let mut mistakes = Vec::new();
            self.check_sources(set, &mut mistakes);
            let keys = self.keys(set, &mut mistakes);
            self.add_all(key, mistakes);
            if held.resource.enabled() && !self.is_bad(key) {
                let built = KeySet {
                    name: key.name.as_str().into(),
                    versions,
                    issuer: (!set.issuer.is_empty()).then(|| set.issuer.as_str().into()),
                    remote: Remote::of(set).is_some(),
                    keys,
                    endpoints: endpoints(set),
                    ..KeySet::default()
                };
                compiled.insert(built.name.clone(), Arc::new(built));
            }
        }
        compiled
    }

    /// The resource's own, and those of the secrets that it takes keys from.
    fn versions(&self, own: Version, set: &v1::KeySet) -> Vec<Version> {
        let keys = set.keys.iter().map(|key| key.secret.as_str());
        let secrets = keys.chain([set.secret.as_str()]);
        let held = secrets.filter_map(|name| self.set.held.get(&Key::new(Kind::Secret, name)));
        let mut versions = vec![own];
        versions.extend(held.map(|held| held.version));
        versions
    }

    fn check_sources(&self, set: &v1::KeySet, mistakes: &mut Vec<Mistake>) {
        let given = [
            !set.jwks.is_empty(),
            !set.keys.is_empty(),
            !set.secret.is_empty(),
            !set.url.is_empty(),
            !set.issuer.is_empty(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            let reason = "give exactly one of `jwks`, `keys`, `secret`, `url` and `issuer`";
            mistakes.push(Mistake::value("", reason));
        }
        let allow_http = set.allow_http.unwrap_or(false);
        for (name, url) in [("url", &set.url), ("issuer", &set.issuer)] {
            if let (false, Err(reason)) = (url.is_empty(), check_url(url, allow_http)) {
                mistakes.push(Mistake::value(name, reason));
            }
        }
        if set.issuer.contains('?') {
            let reason = "an issuer has no query (OpenID Connect Discovery, section 3)";
            mistakes.push(Mistake::value("issuer", reason));
        }
        self.check_fetching(set, mistakes);
    }

    fn check_fetching(&self, set: &v1::KeySet, mistakes: &mut Vec<Mistake>) {
        let fetched_only = [
            ("ca_certificates", !set.ca_certificates.is_empty()),
            ("allow_http", set.allow_http.is_some()),
            ("timeout_ms", set.timeout_ms.is_some()),
            ("min_refresh_ms", set.min_refresh_ms.is_some()),
            ("max_refresh_ms", set.max_refresh_ms.is_some()),
        ];
        if Remote::of(set).is_none() {
            for (name, _) in fetched_only.iter().filter(|(_, given)| *given) {
                let reason = "is for keys that are fetched: with `url` or `issuer`";
                mistakes.push(Mistake::value(*name, reason));
            }
        }
        field::within("timeout_ms", set.timeout_ms, 100..=30_000, mistakes);
        let refresh = 10_000..=MAX_REFRESH_MS;
        field::within("min_refresh_ms", set.min_refresh_ms, refresh, mistakes);
        let least = set.min_refresh_ms.unwrap_or(DEFAULT_MIN_REFRESH_MS);
        let refresh = least.min(MAX_REFRESH_MS)..=MAX_REFRESH_MS;
        field::within("max_refresh_ms", set.max_refresh_ms, refresh, mistakes);
        let pem = match set.ca_certificates.strip_prefix(SECRET) {
            Some(name) => self.secret(name),
            None => Some(set.ca_certificates.as_str()),
        };
        if let Some(Err(reason)) = pem.filter(|pem| !pem.is_empty()).map(check_authorities) {
            mistakes.push(Mistake::value("ca_certificates", reason));
        }
    }

    /// The keys, where they are there.
    fn keys(&self, set: &v1::KeySet, mistakes: &mut Vec<Mistake>) -> Option<Keys> {
        if let Some(remote) = Remote::of(set) {
            let fetched = set.fetched.as_ref();
            let fetched = fetched.filter(|it| it.source == remote.as_str())?;
            // What the control plane stores has been read before; here it may be of another version.
            let read = Keys::from_jwks(fetched.jwks.as_bytes()).map(|(keys, _)| keys);
            return read.ok().filter(|keys| !keys.list.is_empty());
        }
        if !set.keys.is_empty() {
            return self.listed(set, mistakes);
        }
        let (name, text) = match set.secret.as_str() {
            "" => ("jwks", Some(set.jwks.as_str())),
            secret => ("secret", self.secret(secret)),
        };
        let text = text.filter(|text| !text.is_empty())?;
        match document(text, name == "jwks") {
            Ok(keys) => Some(keys),
            Err((path, reason)) => {
                let field = match name {
                    "jwks" => format!("jwks{path}"),
                    _ => name.to_owned(),
                };
                mistakes.push(Mistake::value(field, reason));
                None
            }
        }
    }

    fn listed(&self, set: &v1::KeySet, mistakes: &mut Vec<Mistake>) -> Option<Keys> {
        let mut keys = Keys::default();
        let before = mistakes.len();
        if set.keys.len() > MAX_KEYS {
            mistakes.push(Mistake::value("keys", format!("more than {MAX_KEYS} keys")));
        }
        for (place, key) in set.keys.iter().enumerate() {
            match self.one(key) {
                Ok(Some(read)) => keys.extend(read),
                Ok(None) => {}
                Err((name, reason)) => {
                    mistakes.push(Mistake::value(format!("keys[{place}]{name}"), reason));
                }
            }
        }
        (mistakes.len() == before && !keys.list.is_empty()).then_some(keys)
    }

    /// One of the keys; none where its secret was refused.
    fn one(&self, key: &v1::KeySetKey) -> Result<Option<Keys>, (String, String)> {
        let mut algorithms = Vec::new();
        for (place, name) in key.algorithms.iter().enumerate() {
            let known = Algorithm::named(name);
            algorithms.push(known.ok_or_else(|| {
                let reason = format!("`{name}` is not an algorithm known here");
                (format!(".algorithms[{place}]"), reason)
            })?);
        }
        if key.kid.len() > MAX_KID_BYTES {
            let reason = format!("is longer than {MAX_KID_BYTES} bytes");
            return Err((".kid".to_owned(), reason));
        }
        let kid = (!key.kid.is_empty()).then_some(key.kid.as_str());
        match (key.pem.as_str(), key.secret.as_str()) {
            ("", "") | (_, "") if key.base64 => {
                Err((".base64".to_owned(), "is for a `secret`".to_owned()))
            }
            ("", "") => Err((String::new(), "give `pem` or `secret`".to_owned())),
            (pem, "") => Keys::from_pem(pem, kid, &algorithms)
                .map(Some)
                .map_err(|error| (".pem".to_owned(), error.0)),
            ("", name) => {
                let Some(value) = self.secret(name) else {
                    return Ok(None);
                };
                let wrong = |reason: String| (".secret".to_owned(), reason);
                let bytes = match key.base64 {
                    true => BASE64_URL_SAFE_NO_PAD
                        .decode(value.trim().trim_end_matches('='))
                        .map_err(|_| wrong("its value is not base64url".to_owned()))?,
                    false => value.as_bytes().to_vec(),
                };
                Keys::from_secret(&bytes, kid, &algorithms)
                    .map(Some)
                    .map_err(|error| wrong(error.0))
            }
            _ => Err((String::new(), "give either `pem` or `secret`".to_owned())),
        }
    }

    /// The value of a secret. That it is there has been checked with all references.
    fn secret(&self, name: &str) -> Option<&str> {
        let key = Key::new(Kind::Secret, name);
        match &*self.set.held.get(&key)?.resource {
            Resource::Secret(secret) if !self.is_bad(&key) => Some(&secret.value),
            _ => None,
        }
    }
}

/// Where the issuer says that logins go.
fn endpoints(set: &v1::KeySet) -> v1::FetchedEndpoints {
    let source = Remote::of(set).map(|it| it.as_str());
    let fetched = set.fetched.as_ref();
    let fetched = fetched.filter(|it| Some(it.source.as_str()) == source);
    fetched
        .and_then(|it| it.endpoints.clone())
        .unwrap_or_default()
}

/// Reads keys from a JWKS or, where that is allowed, PEM. All of them must be good; errors with the path in it.
fn document(text: &str, inline: bool) -> Result<Keys, (String, String)> {
    let whole = |reason: String| (String::new(), reason);
    if !inline && text.trim_start().starts_with("-----BEGIN") {
        return Keys::from_pem(text, None, &[]).map_err(|error| whole(error.0));
    }
    let read = Keys::from_jwks(text.as_bytes());
    let (keys, skipped) = read.map_err(|error| whole(error.0))?;
    if let Some(broken) = skipped.iter().find(|it| it.broken) {
        let path = format!(".keys[{}]", broken.index);
        return Err((path, broken.reason.clone()));
    }
    if inline && keys.list.iter().any(crate::jwt::Key::is_secret) {
        let reason = "has a secret, which everybody who reads the configuration can see; put it in a `secret`";
        return Err(whole(reason.to_owned()));
    }
    if keys.list.is_empty() {
        return Err(whole("has no key for verifying signatures".to_owned()));
    }
    Ok(keys)
}
