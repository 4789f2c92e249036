//! What an expression sees.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use cel::{
    Context,
    common::{
        types::{CelList, CelMap, CelMapKey, CelNull, CelString},
        value::Val,
    },
};
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

use super::json;
use crate::{Claims, Consumer, RequestContext};

/// Most members of a list or a map that a client or a token's issuer can make long.
pub(super) const MAX_MEMBERS: usize = 256;
/// What is only made where an expression has its name.
pub(super) const PARTS: [&str; 7] = [
    "headers",
    "cookies",
    "parameters",
    "claims",
    "scopes",
    "groups",
    "authenticated_by",
];

type Members<'v> = HashMap<CelMapKey<'v>, Box<dyn Val + 'v>>;

/// What an expression sees of a request.
pub(super) struct Sight<'v> {
    pub(super) method: &'v str,
    pub(super) host: &'v str,
    pub(super) path: &'v str,
    pub(super) query: &'v str,
    pub(super) scheme: &'v str,
    pub(super) address: String,
    /// None: there are none.
    pub(super) headers: Option<&'v HeaderMap>,
    /// The peer's address and the server name; only routes see them.
    pub(super) connection: Option<(String, &'v str)>,
}

impl<'v> Sight<'v> {
    pub(super) fn of(request: &'v RequestContext) -> Self {
        Self {
            method: request.method.as_str(),
            host: &request.host,
            path: &request.path,
            query: request.query.as_deref().unwrap_or_default(),
            scheme: request.scheme(),
            address: request.client.address.to_canonical().to_string(),
            headers: Some(&request.headers),
            connection: None,
        }
    }

    /// Of a made-up request.
    pub(super) fn sample(connection: Option<(String, &'v str)>) -> Self {
        Self {
            method: "GET",
            host: "example.com",
            path: "/",
            query: "",
            scheme: "https",
            address: "192.0.2.1".to_owned(),
            headers: None,
            connection,
        }
    }

    /// None where there are too many parameters or cookies to go over.
    pub(super) fn map(&self, reads: &[&str]) -> Option<CelMap<'v>> {
        let mut map: Members<'v> = HashMap::with_capacity(11);
        let mut add = |name: &'static str, value| map.insert(key(name), value);
        add("method", text(self.method));
        add("host", text(self.host));
        add("path", text(self.path));
        add("query", text(self.query));
        add("scheme", text(self.scheme));
        add("client_address", owned(self.address.clone()));
        if let Some((peer, server_name)) = &self.connection {
            add("peer_address", owned(peer.clone()));
            add("server_name", text(server_name));
        }
        if reads.contains(&"headers") {
            add("headers", Box::new(header_map(self.headers)));
        }
        if reads.contains(&"parameters") {
            add("parameters", Box::new(parameters(self.query)?));
        }
        if reads.contains(&"cookies") {
            add("cookies", Box::new(cookies(self.headers)?));
        }
        Some(CelMap::from(map))
    }
}

/// What an expression sees of who sent a request.
#[derive(Default)]
pub(super) struct Who<'v> {
    consumer: Option<&'v Consumer>,
    claims: Option<&'v Claims>,
    methods: &'v [&'static str],
}

impl<'v> Who<'v> {
    pub(super) fn of(request: &'v RequestContext) -> Self {
        Self {
            consumer: request.consumer.as_deref(),
            claims: request.claims.as_deref(),
            methods: &request.authenticated_by,
        }
    }

    /// None where the claims are too many to go over.
    pub(super) fn add_to(self, context: &mut Context<'_, 'v>, reads: &[&str]) -> Option<()> {
        context.add_variable_as_val("consumer", consumer_value(self.consumer));
        if reads.contains(&"claims") {
            let claims = match self.claims {
                Some(claims) => json::object(&claims.values)?,
                None => CelMap::from(HashMap::new()),
            };
            context.add_variable_as_val("claims", Box::new(claims));
        }
        let of_token = self.claims.map(|it| (&it.groups[..], &it.scopes[..]));
        let (groups, scopes) = of_token.unwrap_or_default();
        if groups.len() > MAX_MEMBERS || scopes.len() > MAX_MEMBERS {
            return None;
        }
        if reads.contains(&"scopes") {
            context.add_variable_as_val("scopes", texts(scopes.iter()));
        }
        if reads.contains(&"groups") {
            let own = self.consumer.map_or(&[][..], |it| &it.groups);
            context.add_variable_as_val("groups", texts(own.iter().chain(groups)));
        }
        if reads.contains(&"authenticated_by") {
            let methods = self.methods.iter().map(|it| text(it)).collect();
            context.add_variable_as_val("authenticated_by", list(methods));
        }
        Some(())
    }
}

/// By name in lower case; several of one name joined with `, ` (RFC 9110 section 5.2).
fn header_map(headers: Option<&HeaderMap>) -> CelMap<'_> {
    let Some(headers) = headers else {
        return CelMap::from(HashMap::new());
    };
    let mut map: Members<'_> = HashMap::with_capacity(headers.keys_len());
    for name in headers.keys() {
        let mut values = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        let first = values.next().unwrap_or_default();
        let joined = values.fold(first, |joined, value| {
            (joined.into_owned() + ", " + &value).into()
        });
        map.insert(key(name.as_str()), Box::new(CelString::from(joined)));
    }
    CelMap::from(map)
}

/// Lists of values by name, percent-decoded: what a second value of a name means is the upstream's to say.
fn parameters(query: &str) -> Option<CelMap<'_>> {
    let pairs = query.split('&').filter(|it| !it.is_empty());
    lists(pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    }))
}

/// Lists of values by name.
fn cookies(headers: Option<&HeaderMap>) -> Option<CelMap<'_>> {
    let fields = headers
        .into_iter()
        .flat_map(|it| it.get_all(header::COOKIE));
    let texts = fields.map(|field| String::from_utf8_lossy(field.as_bytes()));
    let texts: Vec<Cow<'_, str>> = texts.collect();
    let pairs = texts.iter().flat_map(|text| text.split(';'));
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    lists(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// None where there are too many.
fn lists<'v>(pairs: impl Iterator<Item = (String, String)>) -> Option<CelMap<'v>> {
    let mut found: HashMap<String, Vec<Box<dyn Val + 'v>>> = HashMap::new();
    for (index, (name, value)) in pairs.enumerate() {
        if index == MAX_MEMBERS {
            return None;
        }
        found.entry(name).or_default().push(owned(value));
    }
    let members = found.into_iter();
    let map: Members<'v> = members
        .map(|(name, values)| (CelMapKey::from(name), list(values)))
        .collect();
    Some(CelMap::from(map))
}

fn decoded(written: &str) -> String {
    let spaced = written.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

fn consumer_value(consumer: Option<&Consumer>) -> Box<dyn Val + '_> {
    let Some(consumer) = consumer else {
        return Box::new(CelNull);
    };
    let mut map: Members<'_> = HashMap::with_capacity(2);
    map.insert(key("name"), text(&consumer.name));
    map.insert(key("groups"), texts(consumer.groups.iter()));
    Box::new(CelMap::from(map))
}

fn texts<'v>(values: impl Iterator<Item = &'v Arc<str>>) -> Box<dyn Val + 'v> {
    list(values.map(|it| text(it)).collect())
}

fn list<'v>(values: Vec<Box<dyn Val + 'v>>) -> Box<dyn Val + 'v> {
    Box::new(CelList::from(values))
}

fn owned<'v>(value: String) -> Box<dyn Val + 'v> {
    Box::new(CelString::from(value))
}

pub(super) fn key(name: &str) -> CelMapKey<'_> {
    CelMapKey::String(CelString::from(name))
}

pub(super) fn text(value: &str) -> Box<dyn Val + '_> {
    Box::new(CelString::from(value))
}
