//! What few routes ask of a request. It stands apart, so that plain routes pay neither memory nor time.

use http::HeaderMap;

use super::{Host, Miss, PayloadRule, Query, TextRule, facts::Facts, pairs::Pairs};
use crate::{network::Networks, plugin::when::When};

/// What few routes ask. All of it must hold.
#[derive(Debug, Default)]
pub(crate) struct Further {
    pub(crate) query: Box<[ParameterRule]>,
    pub(crate) cookies: Box<[ParameterRule]>,
    /// Networks that the client's address must be in.
    pub(crate) client: Option<Networks>,
    /// Networks that the connection must come from.
    pub(crate) peer: Option<Networks>,
    /// Sorted; empty is any.
    pub(crate) server_names: Box<[Host]>,
    pub(crate) payload: Option<PayloadRule>,
    pub(crate) when: Option<When>,
}

/// What a query parameter, a cookie or a field of a form must be.
#[derive(Debug)]
pub(crate) struct ParameterRule {
    pub(crate) name: Box<str>,
    pub(crate) value: TextRule,
}

/// Why not all of it holds.
pub(super) enum Failure {
    /// What does not.
    Not(String),
    /// It cannot be told.
    Undecided(Miss),
}

impl Further {
    /// Itself, unless nothing is asked.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self.count() > 0).then(|| Box::new(self))
    }

    /// How many conditions it is.
    pub(crate) fn count(&self) -> usize {
        let single = [
            self.client.is_some(),
            self.peer.is_some(),
            !self.server_names.is_empty(),
            self.when.is_some(),
        ];
        let single = single.into_iter().filter(|it| *it).count();
        let of_body = self.payload.as_ref().map_or(0, PayloadRule::count);
        self.query.len() + self.cookies.len() + single + of_body
    }

    /// Adds each condition in a form that is equal where the conditions are.
    pub(super) fn canonical(&self, conditions: &mut Vec<String>) {
        let all = |what: &str, rules: &[ParameterRule]| -> Vec<String> {
            rules.iter().map(|it| format!("{what} {it:?}")).collect()
        };
        conditions.extend(all("query", &self.query));
        conditions.extend(all("cookie", &self.cookies));
        if let Some(client) = &self.client {
            conditions.push(format!("client {client:?}"));
        }
        if let Some(peer) = &self.peer {
            conditions.push(format!("peer {peer:?}"));
        }
        if !self.server_names.is_empty() {
            conditions.push(format!("server name {:?}", self.server_names));
        }
        if let Some(when) = &self.when {
            conditions.push(format!("when {}", when.source()));
        }
        if let Some(payload) = &self.payload {
            payload.canonical(conditions);
        }
    }

    /// Whether what is asked of the head holds: of all but the body.
    ///
    /// # Errors
    /// It cannot be told.
    pub(super) fn head_holds(&self, facts: &Facts<'_>) -> Result<bool, Miss> {
        let query = facts.query;
        let holds = self.comes_from(facts)
            && self.is_named(query)
            && (self.query.is_empty() || all_hold(&self.query, facts.parameters()))
            && (self.cookies.is_empty() || all_hold(&self.cookies, facts.cookies()))
            && self.payload.as_ref().is_none_or(|it| it.head_holds(query));
        match &self.when {
            Some(when) if holds => when
                .holds_for(query)
                .ok_or(Miss::Undecided("the `when` of a route cannot be evaluated")),
            _ => Ok(holds),
        }
    }

    /// What the request lacks, for people.
    ///
    /// # Errors
    /// The first condition that does not hold.
    pub(super) fn failure(&self, facts: &Facts<'_>) -> Result<(), Failure> {
        let query = facts.query;
        let not = |what: String| Err(Failure::Not(what));
        let lacks = |rules: &[ParameterRule], pairs: &Pairs<'_>| {
            let mut lacking = rules.iter().filter(|it| !it.holds(pairs));
            lacking.next().map(|rule| rule.name.clone())
        };
        if self
            .client
            .as_ref()
            .is_some_and(|it| !it.contains(facts.client))
        {
            return not(format!(
                "source_addresses.client: the client is {}",
                facts.client
            ));
        }
        if self
            .peer
            .as_ref()
            .is_some_and(|it| !it.contains(facts.peer))
        {
            return not(format!("source_addresses.peer: the peer is {}", facts.peer));
        }
        if !self.is_named(query) {
            let name = query.server_name.unwrap_or_default();
            return not(format!("server_names: the server name is `{name}`"));
        }
        if let Some(name) = lacks(&self.query, facts.parameters()) {
            return not(format!("query: `{name}`"));
        }
        if let Some(name) = lacks(&self.cookies, facts.cookies()) {
            return not(format!("cookies: `{name}`"));
        }
        if self
            .payload
            .as_ref()
            .is_some_and(|it| !it.head_holds(query))
        {
            return not("body: there is none of the kind that is asked for".to_owned());
        }
        if !self.head_holds(facts).map_err(Failure::Undecided)? {
            return not("when: is not true".to_owned());
        }
        let of_body = self.payload.as_ref().map_or(Ok(true), |it| it.holds(facts));
        match of_body.map_err(Failure::Undecided)? {
            true => Ok(()),
            false => not("body: is not what is asked for".to_owned()),
        }
    }

    fn comes_from(&self, facts: &Facts<'_>) -> bool {
        let within = |networks: &Option<Networks>, address| {
            networks.as_ref().is_none_or(|it| it.contains(address))
        };
        within(&self.client, facts.client) && within(&self.peer, facts.peer)
    }

    fn is_named(&self, query: &Query<'_>) -> bool {
        self.server_names.is_empty()
            || query
                .server_name
                .is_some_and(|name| self.server_names.iter().any(|it| it.matches(name)))
    }
}

impl ParameterRule {
    /// Whether it holds of the cookies that came with these fields.
    pub(crate) fn holds_for_cookies(&self, headers: &HeaderMap) -> bool {
        self.holds(&Pairs::of_cookies(headers))
    }

    fn holds(&self, pairs: &Pairs<'_>) -> bool {
        self.value.holds(pairs.values(&self.name))
    }
}

/// Whether all hold.
pub(super) fn all_hold(rules: &[ParameterRule], pairs: &Pairs<'_>) -> bool {
    rules.iter().all(|rule| rule.holds(pairs))
}
