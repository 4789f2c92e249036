//! `authorize`: rules in CEL on who may do what.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, Flow, InvalidSetting, Plugin, when::Conditions};
use crate::{Code, Rejection, RequestContext};

#[cfg(test)]
mod tests;

/// Most rules of a list.
const MAX_RULES: usize = 64;
/// Longest name of a rule, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct Authorize {
    /// Those of `deny`, then those of `allow`; `names` likewise.
    conditions: Conditions,
    names: Vec<Box<str>>,
    denying: usize,
    default: Default,
}

/// Settings of `authorize`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Rules of which one that is true refuses the request, whatever `allow` says. In order; up to 64.
    #[serde(default)]
    deny: Vec<Rule>,
    /// Rules of which one must be true. Asked in order, after `deny`; up to 64.
    #[serde(default)]
    allow: Vec<Rule>,
    /// What becomes of a request of which no rule is true: `deny` or `allow`. `allow` is for settings
    /// without `allow` rules.
    #[serde(default)]
    default: Default,
}

/// What becomes of a request of which no rule is true.
#[derive(Clone, Copy, Debug, std::default::Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Default {
    #[default]
    Deny,
    Allow,
}

/// A rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Its name, which refusals tell: 1 to 64 of the characters `a-z A-Z 0-9 . _ -`.
    name: String,
    /// A CEL expression that is true or false: up to 4,096 bytes.
    when: String,
}

impl Configure for Authorize {
    const NAME: &'static str = "authorize";
    const SUMMARY: &'static str = "Lets requests through by rules in CEL on who may do what.";
    const DOCS: &'static str = "\
The rules of `deny` are asked first: the first that is true refuses. Then those of `allow`: one that is true
lets the request through. Where none is, `default` says what becomes of it. Refusals have the status 403, the
code `forbidden`, and name the rule.

A rule sees what `when` of any plugin sees ([the list](README.md#when)): `request`, `consumer`, `groups`,
`claims`, `scopes`, `authenticated_by`, and the function `cidr`. Attach a plugin that finds out who calls to the
same route.

What cannot be evaluated for a request never lets it through: a rule of `deny` refuses then, one of `allow` does
not allow. So ask `has(claims.tenant)` before `claims.tenant` is compared where a token may lack it.

Expressions are compiled once. None has more than two loops within one another, and a request with more than
256 parameters or cookies, or a token with lists of more than 256 members, is refused where a rule reads them.";
    const EXAMPLE: &'static str = "\
deny:
- {name: no-deletes-from-outside, when: \"request.method == 'DELETE' && !cidr(request.client_address, '10.0.0.0/8')\"}
allow:
- {name: staff, when: \"'staff' in groups\"}
- {name: readers, when: \"request.method == 'GET' && 'orders/read' in scopes\"}
- {name: own-tenant, when: \"has(claims.tenant) && request.path.startsWith('/tenants/' + claims.tenant + '/')\"}";
    const ORDER: i32 = 2100;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        contradictions(&settings, &mut mistakes);
        let mut authorize = Self {
            conditions: Conditions::default(),
            names: Vec::with_capacity(settings.deny.len() + settings.allow.len()),
            denying: settings.deny.len(),
            default: settings.default,
        };
        authorize.take("deny", settings.deny, &mut mistakes);
        authorize.take("allow", settings.allow, &mut mistakes);
        match mistakes.is_empty() {
            true => Ok(authorize),
            false => Err(mistakes),
        }
    }
}

impl Authorize {
    fn take(&mut self, list: &str, rules: Vec<Rule>, mistakes: &mut Vec<InvalidSetting>) {
        let mut wrong = |field: String, reason: String| {
            mistakes.push(InvalidSetting::new(field, reason));
        };
        if rules.len() > MAX_RULES {
            wrong(
                list.to_owned(),
                format!("has more than {MAX_RULES} entries"),
            );
            return;
        }
        for (index, rule) in rules.into_iter().enumerate() {
            let name: Box<str> = rule.name.into();
            if !is_name(&name) {
                let reason = "1 to 64 of the characters a-z A-Z 0-9 . _ -";
                wrong(format!("{list}[{index}].name"), reason.to_owned());
            } else if self.names.contains(&name) {
                let reason = format!("`{name}` is the name of another rule");
                wrong(format!("{list}[{index}].name"), reason);
            }
            if let Err(reason) = self.conditions.add(&rule.when) {
                wrong(format!("{list}[{index}].when"), reason);
            }
            self.names.push(name);
        }
    }

    /// Why a request may not go on, if so.
    fn refusal(&self, request: &RequestContext) -> Option<String> {
        let Some(look) = self.conditions.look(request) else {
            return Some("has more parts than rules can be asked about".to_owned());
        };
        for (index, name) in self.names.iter().enumerate() {
            match (look.holds(index), index < self.denying) {
                (Some(true), true) => return Some(format!("refused by the rule `{name}`")),
                (None, true) => {
                    let reason = format!("the rule `{name}` cannot be evaluated for it");
                    return Some(reason);
                }
                (Some(true), false) => return None,
                (Some(false), _) | (None, false) => {}
            }
        }
        match self.default {
            Default::Allow => None,
            Default::Deny => Some("no rule allows it".to_owned()),
        }
    }
}

impl Plugin for Authorize {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        match self.refusal(request) {
            None => Flow::Continue,
            Some(why) => Flow::Reject(Rejection::new(
                Code::Forbidden,
                format!("the request: {why}"),
            )),
        }
    }
}

/// Settings that say nothing, or less than they seem to.
fn contradictions(settings: &Settings, mistakes: &mut Vec<InvalidSetting>) {
    let mut wrong = |field, reason| mistakes.push(InvalidSetting::new(field, reason));
    match (settings.default, settings.allow.is_empty()) {
        (Default::Deny, true) => wrong(
            "",
            "give rules in `allow`, or say `default: allow`; as it is, no request passes",
        ),
        (Default::Allow, false) => wrong("default", "with it the rules of `allow` mean nothing"),
        (Default::Allow, true) if settings.deny.is_empty() => {
            wrong("", "give rules in `deny` or in `allow`");
        }
        (Default::Allow, true) | (Default::Deny, false) => {}
    }
}

fn is_name(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_known)
}
