//! `gatewright revisions`: history.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Settings,
    plan::{Detail, Plan},
};
use crate::{
    Terminal,
    output::{self, Format, List},
};

/// Shows history, one revision, or the difference of two.
#[derive(Args, Debug)]
pub(crate) struct Revisions {
    #[command(subcommand)]
    what: Option<What>,
    /// How many of the newest, 1 to 500.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Only those before this one.
    #[arg(long)]
    before: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What one revision changed.
    Show {
        /// Its number.
        revision: u64,
    },
    /// What differs between two revisions.
    Diff {
        /// From this one.
        from: u64,
        /// To this one.
        to: u64,
    },
}

impl Revisions {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let client = settings.client()?;
        let answer = match self.what {
            None => return self.list(settings, terminal).await,
            Some(What::Show { revision }) => {
                client.get(&format!("/v1/revisions/{revision}")).await?
            }
            Some(What::Diff { from, to }) => {
                let path = format!("/v1/revisions/diff?from={from}&to={to}");
                client.get(&path).await?
            }
        };
        match settings.format {
            Format::Json | Format::Yaml => output::value(terminal, settings.format, &answer),
            Format::Name => Plan::of(answer).write(terminal, Detail::Lines),
            Format::Table => {
                if !answer["at_ms"].is_null() {
                    let [at, author, comment] = about(&answer);
                    let mut heading = format!("revision {}, {at}, {author}", answer["revision"]);
                    if !comment.is_empty() {
                        heading = format!("{heading}: {comment}");
                    }
                    terminal.line(&terminal.bold(&heading))?;
                }
                Plan::of(answer).write(terminal, Detail::Differences)
            }
        }
    }

    async fn list(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
        let (limit, before) = (self.limit.to_string(), self.before.map(|it| it.to_string()));
        let parameters = [
            ("limit", Some(limit.as_str())),
            ("before", before.as_deref()),
        ];
        let answer = settings
            .client()?
            .query("/v1/revisions", &parameters)
            .await?;
        let mut items = answer["items"].as_array().cloned().unwrap_or_default();
        if settings.format == Format::Table {
            for item in &mut items {
                let [at, ..] = about(item);
                item["at"] = json!(at);
            }
        }
        let list = List {
            title: "revisions",
            items,
            columns: &["revision", "at", "author", "changed", "comment"],
        };
        list.write(terminal, settings.format)
    }
}

/// When, who, what for.
fn about(revision: &Value) -> [String; 3] {
    let at = revision["at_ms"].as_i64().unwrap_or_default();
    [
        utc(at / 1000),
        output::cell(&revision["author"]),
        output::cell(&revision["comment"]),
    ]
}

/// A time in seconds since 1970 as RFC 3339 in UTC. The calendar is that of Howard Hinnant's
/// `civil_from_days`.
pub(super) fn utc(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_515_372), "2026-11-24T10:16:12Z");
    }
}
