//! `ip-reputation`: refuses addresses that are on lists of others, or lets only those through.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, Flow, InvalidSetting, Plugin, SecretRef};
use crate::{
    Code, Rejection, RequestContext,
    network::{Networks, network},
    reference::Reference,
};

/// Most lists.
const MAX_LISTS: usize = 64;
/// Most networks, of all lists.
const MAX_NETWORKS: usize = 500_000;
/// Most lines of one list that are named as mistakes.
const MAX_NAMED: usize = 8;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct IpReputation {
    listed: Networks,
    action: Action,
}

/// Settings of `ip-reputation`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The lists; an address is listed if one of them has it. 1 to 64.
    lists: Vec<List>,
    /// What happens to addresses by whether they are listed: `deny` refuses those that are, `allow_only` those that are
    /// not.
    #[serde(default)]
    action: Action,
}

/// A list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct List {
    /// Networks (`192.0.2.0/24`, `2001:db8::/32`) or addresses. All lists together have up to 500,000.
    entries: Vec<String>,
    /// A secret or a file with more of them, one a line: `file:PATH`, `secret:NAME`, `vault:MOUNT/PATH#FIELD` or
    /// `env:NAME`. What comes after `#` or `;` is a comment.
    from: Option<SecretRef>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    #[default]
    Deny,
    AllowOnly,
}

impl Configure for IpReputation {
    const NAME: &'static str = "ip-reputation";
    const SUMMARY: &'static str =
        "Refuses addresses that are on lists of others, or lets only those through.";
    const DOCS: &'static str = "\
Looks for the client's address in lists, as others publish them: inline, in secrets, or in files on the node. With
`action: deny`, a request from a listed address is refused with 403, code `forbidden`; with `action: allow_only`, one
from any other. Several instances add up.

A list has a network or an address on each line; what comes after `#` or `;` is a comment. One line that is neither
refuses the list as a whole: the node goes on with what it had, and says which line it is. A list that has changed
is in force at once where it is a secret, and within 2 seconds where it is a file (up to 8 MiB, in the folder that
`--secrets-dir` allows). Replace files by renaming a new one over them, so that no half of one is read. A list that is
missing closes the plugin with 503, code `secret_unavailable`.

How long a look takes hardly grows with the lists: overlapping and adjacent networks become one, and the rest is
searched by halves (20 steps for 500,000). The address is that of the connection, or the one that a trusted hop
forwarded; an IPv4 address written as IPv6 counts as the IPv4 address, in lists as well.";
    const EXAMPLE: &'static str = "\
lists:
- from: file:drop.txt
- entries: [192.0.2.0/24, \"2001:db8::/32\"]
action: deny";
    const ORDER: i32 = 110;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut reading = Reading::default();
        if !(1..=MAX_LISTS).contains(&settings.lists.len()) {
            reading.wrong("lists", "must have 1 to 64 lists");
        }
        for (place, list) in settings.lists.iter().enumerate().take(MAX_LISTS) {
            let field = format!("lists[{place}]");
            if list.entries.is_empty() && list.from.is_none() {
                reading.wrong(&field, "give `entries`, `from` or both");
            }
            reading.inline(&field, &list.entries);
            if let Some(from) = &list.from {
                let field = format!("{field}.from");
                let text = build.secret(&*field, from);
                reading.lines(&field, text.expose());
            }
        }
        if reading.networks.len() > MAX_NETWORKS {
            reading.wrong("lists", "have more than 500,000 networks");
        }
        if !reading.mistakes.is_empty() {
            return Err(reading.mistakes);
        }
        Ok(Self {
            listed: Networks::of(&reading.networks),
            action: settings.action,
        })
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        let lists = settings.lists.iter().enumerate();
        let reference = |(place, list): (usize, &List)| {
            let from = list.from.as_ref()?;
            from.reference(format!("lists[{place}].from"))
        };
        lists.filter_map(reference).collect()
    }
}

impl Plugin for IpReputation {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let address: IpAddr = request.client.address.to_canonical();
        let refused = match self.action {
            Action::Deny => self.listed.contains(address),
            Action::AllowOnly => !self.listed.contains(address),
        };
        if !refused {
            return Flow::Continue;
        }
        let detail = "requests from this address are not allowed";
        Flow::Reject(Rejection::new(Code::Forbidden, detail))
    }
}

/// What lists have, and what is wrong with them.
#[derive(Default)]
struct Reading {
    networks: Vec<IpNet>,
    mistakes: Vec<InvalidSetting>,
}

impl Reading {
    fn wrong(&mut self, field: &str, reason: impl Into<String>) {
        self.mistakes.push(InvalidSetting::new(field, reason));
    }

    fn inline(&mut self, field: &str, entries: &[String]) {
        for (place, entry) in entries.iter().enumerate() {
            match network(entry) {
                Some(network) => self.networks.push(network),
                None => self.wrong(
                    &format!("{field}.entries[{place}]"),
                    format!("`{entry}` is neither a network, as `10.0.0.0/8`, nor an address"),
                ),
            }
        }
    }

    /// Says which lines are wrong, but not what is there, which may be secret.
    fn lines(&mut self, field: &str, text: &str) {
        let mut named = 0;
        for (number, line) in (1_usize..).zip(text.lines()) {
            let entry = line.split(['#', ';']).next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            match network(entry) {
                Some(network) if self.networks.len() <= MAX_NETWORKS => self.networks.push(network),
                Some(_) => return,
                None if named < MAX_NAMED => {
                    named += 1;
                    let reason = format!("line {number} is neither a network nor an address");
                    self.wrong(field, reason);
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::plugin::tests::{Request, mistakes, plugin, reference_fields};

    #[tokio::test]
    async fn listed_addresses_are_refused_or_let_through_alone() {
        let lists = json!([
            {"entries": ["192.0.2.0/24", "2001:db8::/32"]},
            {"entries": ["198.51.100.7", "::ffff:203.0.113.0/120"]},
        ]);
        let deny = plugin("ip-reputation", &json!({"lists": lists}));
        let only = json!({"lists": lists, "action": "allow_only"});
        let only = plugin("ip-reputation", &only);
        for (address, listed) in [
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("::ffff:192.0.2.1", true),
            ("198.51.100.7", true),
            ("198.51.100.6", false),
            ("203.0.113.9", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ] {
            let refused = Request::get("/").from(address).refusal(&deny).await;
            assert_eq!(refused, listed.then_some("forbidden"), "{address}");
            let refused = Request::get("/").from(address).refusal(&only).await;
            assert_eq!(refused, (!listed).then_some("forbidden"), "{address}");
        }
    }

    #[test]
    fn mistakes_and_references_are_named() {
        let settings = json!({"lists": [{"entries": ["10.0.0.0/33"]}, {}], "action": "block"});
        let expected = ["settings.action"];
        assert_eq!(mistakes("ip-reputation", &settings), expected);
        let settings = json!({"lists": [{"entries": ["10.0.0.0/33"]}, {}]});
        let expected = ["settings.lists[0].entries[0]", "settings.lists[1]"];
        assert_eq!(mistakes("ip-reputation", &settings), expected);
        assert_eq!(
            mistakes("ip-reputation", &json!({"lists": []})),
            ["settings.lists"]
        );
        let settings = json!({"lists": [{"entries": ["::1"]}, {"from": "secret:feed"}]});
        let expected = ["settings.lists[1].from secret/feed"];
        assert_eq!(reference_fields("ip-reputation", &settings), expected);
    }
}
