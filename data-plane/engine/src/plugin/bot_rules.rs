//! `bot-rules`: lets programs through by what they call themselves.

use http::header;
use regex::bytes::{RegexSet, RegexSetBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, Flow, InvalidSetting, Plugin};
use crate::{Code, Rejection, RequestContext};

/// Most patterns of a list.
const MAX_PATTERNS: usize = 1_000;
/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1_000;
/// Most memory of a compiled list, in bytes.
const MAX_COMPILED_BYTES: usize = 16 << 20;

/// Crawlers of search engines, by what their operators document.
const SEARCH_ENGINES: &[&str] = &[
    r"\bgooglebot\b",
    r"\bbingbot\b",
    r"\bduckduckbot\b",
    r"\bapplebot\b",
    r"\byandex(bot|images)\b",
    r"\bbaiduspider\b",
    r"\bslurp\b",
    r"\bqwantbot\b",
];

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct BotRules {
    allow: RegexSet,
    deny: RegexSet,
    only_allowed: bool,
    allow_missing: bool,
}

/// Settings of `bot-rules`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Patterns of `User-Agent` that pass, whatever `deny` says. Up to 1,000 of up to 1,000 bytes.
    allow: Vec<String>,
    /// Patterns of `User-Agent` that are refused. Up to 1,000 of up to 1,000 bytes.
    deny: Vec<String>,
    /// Whether well-known crawlers of search engines count as allowed. By name only: anybody can say it.
    allow_search_engines: bool,
    /// Whether what matches nothing is refused.
    only_allowed: bool,
    /// Whether requests without a `User-Agent`, or with an empty one, pass.
    allow_missing: bool,
}

impl Configure for BotRules {
    const NAME: &'static str = "bot-rules";
    const SUMMARY: &'static str = "Lets programs through by what they call themselves.";
    const DOCS: &'static str = "\
Compares `User-Agent` with patterns: regular expressions that are found anywhere in it, upper and lower case
alike. All patterns of a list are looked for at once, in time that grows with the length of the field alone.

`allow` wins over `deny`; what matches neither passes, unless `only_allowed`. A request without
`User-Agent` is refused unless `allow_missing`; of several such fields, each must pass. Refusals are 403,
code `forbidden`.

This keeps out what does not hide: who claims to be a search engine may lie.";
    const EXAMPLE: &'static str = "\
deny: [\"curl/\", \"python-requests\", \"(gpt|claude)bot\"]
allow: [\"curl/8.* monitoring\"]
allow_search_engines: true";
    const ORDER: i32 = 120;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let known: &[&str] = match settings.allow_search_engines {
            true => SEARCH_ENGINES,
            false => &[],
        };
        let allow = set("allow", &settings.allow, known, &mut mistakes);
        let deny = set("deny", &settings.deny, &[], &mut mistakes);
        if settings.only_allowed && allow.is_empty() && mistakes.is_empty() {
            let reason = "nothing is allowed; give `allow` or `allow_search_engines`";
            mistakes.push(InvalidSetting::new("only_allowed", reason));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            allow,
            deny,
            only_allowed: settings.only_allowed,
            allow_missing: settings.allow_missing,
        })
    }
}

impl Plugin for BotRules {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let mut missing = true;
        for agent in request.headers.get_all(header::USER_AGENT) {
            let agent = agent.as_bytes();
            if agent.is_empty() {
                continue;
            }
            missing = false;
            if !self.passes(agent) {
                return refuse("requests from this program are not allowed");
            }
        }
        if missing && !self.allow_missing {
            return refuse("requests must say which program they are from, in `User-Agent`");
        }
        Flow::Continue
    }
}

impl BotRules {
    fn passes(&self, agent: &[u8]) -> bool {
        self.allow.is_match(agent) || !(self.only_allowed || self.deny.is_match(agent))
    }
}

fn refuse<'a>(detail: &'static str) -> Flow<'a> {
    Flow::Reject(Rejection::new(Code::Forbidden, detail))
}

fn set(
    field: &str,
    patterns: &[String],
    known: &[&str],
    mistakes: &mut Vec<InvalidSetting>,
) -> RegexSet {
    if patterns.len() > MAX_PATTERNS {
        let reason = format!("has more than {MAX_PATTERNS} entries");
        mistakes.push(InvalidSetting::new(field, reason));
        return RegexSet::empty();
    }
    let before = mistakes.len();
    for (index, pattern) in patterns.iter().enumerate() {
        let reason = if pattern.is_empty() {
            "is empty, which is found in everything".to_owned()
        } else if pattern.len() > MAX_PATTERN_BYTES {
            format!("is over {MAX_PATTERN_BYTES} bytes")
        } else {
            match compile(&[pattern]) {
                Ok(_) => continue,
                Err(error) => error.to_string(),
            }
        };
        mistakes.push(InvalidSetting::new(format!("{field}[{index}]"), reason));
    }
    if mistakes.len() > before {
        return RegexSet::empty();
    }
    let all = patterns.iter().map(String::as_str);
    let all: Vec<&str> = all.chain(known.iter().copied()).collect();
    compile(&all).unwrap_or_else(|error| {
        mistakes.push(InvalidSetting::new(field, error.to_string()));
        RegexSet::empty()
    })
}

fn compile<S: AsRef<str>>(patterns: &[S]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(patterns)
        .case_insensitive(true)
        .size_limit(MAX_COMPILED_BYTES)
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::plugin::tests::{Request, mistakes, plugin};

    const NO: Option<&str> = Some("forbidden");

    #[tokio::test]
    async fn a_program_passes_by_its_name() {
        let strict = json!({"deny": ["curl/", "bot"], "allow": ["curl/8 monitoring"], "allow_search_engines": true});
        let open = json!({"deny": ["curl/"], "allow_missing": true});
        let closed = json!({"allow": ["^mozilla/"], "only_allowed": true});
        for (settings, agents, code) in [
            (&strict, vec!["Curl/8"], NO),
            (&strict, vec!["curl/8 monitoring"], None),
            (
                &strict,
                vec!["Mozilla/5.0 (compatible; Googlebot/2.1)"],
                None,
            ),
            (&strict, vec!["otherbot"], NO),
            (&strict, vec!["Mozilla/5.0"], None),
            (&strict, vec!["Mozilla/5.0", "curl/7"], NO),
            (&strict, vec![], NO),
            (&strict, vec![""], NO),
            (&open, vec![], None),
            (&open, vec!["curl/8"], NO),
            (&closed, vec!["Mozilla/5.0"], None),
            (&closed, vec!["wget"], NO),
        ] {
            let rules = plugin("bot-rules", settings);
            let mut request = Request::get("/");
            for agent in &agents {
                request = request.header("user-agent", agent);
            }
            assert_eq!(request.refusal(&rules).await, code, "{settings} {agents:?}");
        }
    }

    #[test]
    fn every_pattern_that_cannot_be_is_named() {
        let huge = r"(\pL{100}){100}{100}";
        let settings = json!({"allow": ["ok", ""], "deny": ["(", huge]});
        let expected = ["settings.allow[1]", "settings.deny[0]", "settings.deny[1]"];
        assert_eq!(mistakes("bot-rules", &settings), expected);
        let found = mistakes("bot-rules", &json!({"only_allowed": true}));
        assert_eq!(found, ["settings.only_allowed"]);
    }
}
