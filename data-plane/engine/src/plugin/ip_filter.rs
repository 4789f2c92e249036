//! `ip-filter`: lets requests through by the address of the client.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, Flow, InvalidSetting, Plugin};
use crate::{
    Code, Rejection, RequestContext,
    network::{Networks, network},
};

/// Most entries of a list.
const MAX_NETWORKS: usize = 100_000;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct IpFilter {
    allow: Option<Networks>,
    deny: Networks,
}

/// Settings of `ip-filter`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub(super) struct Settings {
    /// Networks (`10.0.0.0/8`, `2001:db8::/32`) or addresses that may pass; all others may not. Empty:
    /// all may. Up to 100,000.
    allow: Vec<String>,
    /// Networks or addresses that may not pass, even if `allow` has them. Up to 100,000.
    deny: Vec<String>,
}

impl Configure for IpFilter {
    const NAME: &'static str = "ip-filter";
    const SUMMARY: &'static str = "Lets requests through by the address of the client.";
    const DOCS: &'static str = "\
Compares the client's address with two lists. An address on `deny` is refused with 403, code
`forbidden`; so is one that is not on `allow`, where that has entries. `deny` wins.

The address is that of the connection, or the one that a trusted hop forwarded if the node has trusted
hops. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) counts as the IPv4 address, in lists as
well.";
    const EXAMPLE: &'static str = "allow: [10.0.0.0/8, \"2001:db8::/32\"]\ndeny: [10.0.0.66]";
    const ORDER: i32 = 100;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let allow = read("allow", &settings.allow, &mut mistakes);
        let deny = read("deny", &settings.deny, &mut mistakes);
        if settings.allow.is_empty() && settings.deny.is_empty() {
            mistakes.push(InvalidSetting::new("", "give `allow`, `deny` or both"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let allow = (!settings.allow.is_empty()).then_some(allow);
        Ok(Self { allow, deny })
    }
}

impl Plugin for IpFilter {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let address = request.client.address.to_canonical();
        let allowed = self.allow.as_ref().is_none_or(|it| it.contains(address));
        if allowed && !self.deny.contains(address) {
            Flow::Continue
        } else {
            Flow::Reject(Rejection::new(
                Code::Forbidden,
                "requests from this address are not allowed",
            ))
        }
    }
}

fn read(field: &str, entries: &[String], mistakes: &mut Vec<InvalidSetting>) -> Networks {
    if entries.len() > MAX_NETWORKS {
        let reason = format!("has more than {MAX_NETWORKS} entries");
        mistakes.push(InvalidSetting::new(field, reason));
    }
    let mut networks = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        match network(entry) {
            Some(network) => networks.push(network),
            None => mistakes.push(InvalidSetting::new(
                format!("{field}[{index}]"),
                format!("`{entry}` is neither a network, as `10.0.0.0/8`, nor an address"),
            )),
        }
    }
    Networks::of(&networks)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::plugin::tests::{Request, mistakes, plugin};

    #[tokio::test]
    async fn deny_wins_over_allow_and_what_is_on_neither_list_is_refused() {
        let settings =
            json!({"allow": ["10.0.0.0/8", "::1"], "deny": ["10.0.0.66", "10.1.0.0/16"]});
        let filter = plugin("ip-filter", &settings);
        for (address, code) in [
            ("10.0.0.1", None),
            ("::ffff:10.0.0.1", None),
            ("::1", None),
            ("10.0.0.66", Some("forbidden")),
            ("::ffff:10.0.0.66", Some("forbidden")),
            ("10.1.2.3", Some("forbidden")),
            ("11.0.0.0", Some("forbidden")),
            ("9.255.255.255", Some("forbidden")),
            ("::2", Some("forbidden")),
        ] {
            let refused = Request::get("/").from(address).refusal(&filter).await;
            assert_eq!(refused, code, "{address}");
        }
    }

    #[tokio::test]
    async fn a_mapped_network_on_a_list_means_the_ipv4_network() {
        let filter = plugin("ip-filter", &json!({"deny": ["::ffff:192.0.2.0/120"]}));
        let refused = Request::get("/").from("192.0.2.9").refusal(&filter).await;
        assert_eq!(refused, Some("forbidden"));
        assert_eq!(
            Request::get("/").from("192.0.3.9").refusal(&filter).await,
            None
        );
    }

    #[test]
    fn every_entry_that_is_not_a_network_is_named() {
        let found = mistakes(
            "ip-filter",
            &json!({"allow": ["10.0.0.300"], "deny": ["::/0", "x"]}),
        );
        assert_eq!(found, ["settings.allow[0]", "settings.deny[1]"]);
        assert_eq!(mistakes("ip-filter", &json!({})), ["settings"]);
    }
}
