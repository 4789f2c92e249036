//! What is wrong with files, shown where it stands.

use std::{fmt, ops::Range, sync::Arc};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
    ThemeCharacters, ThemeStyles,
};

use super::source::Source;

/// Width that messages are wrapped to.
const WIDTH: usize = 120;

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Number of the source and bytes in it; none where it is in no file.
    place: Option<(usize, Range<usize>)>,
    /// Where the same name was seen first.
    first: Option<(usize, Range<usize>)>,
    reason: String,
}

/// Everything that is wrong.
#[derive(Debug)]
pub(crate) struct Problems {
    sources: Arc<Vec<Source>>,
    list: Vec<Problem>,
}

impl Problem {
    pub(super) fn new(source: usize, place: Range<usize>, reason: String) -> Self {
        Self {
            place: Some((source, place)),
            first: None,
            reason,
        }
    }

    pub(super) const fn without_place(reason: String) -> Self {
        Self {
            place: None,
            first: None,
            reason,
        }
    }

    pub(super) fn first_seen(self, source: usize, place: Range<usize>) -> Self {
        Self {
            first: Some((source, place)),
            ..self
        }
    }

    fn order(&self) -> (usize, usize) {
        let place = self.place.as_ref();
        place.map_or((usize::MAX, 0), |(source, place)| (*source, place.start))
    }
}

impl Problems {
    /// In the order of the files, each once.
    pub(super) fn new(sources: Arc<Vec<Source>>, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(Problem::order);
        list.dedup();
        Self { sources, list }
    }

    /// With excerpts of the files.
    pub(crate) fn render(&self, colour: bool) -> String {
        let theme = GraphicalTheme {
            characters: ThemeCharacters::unicode(),
            styles: match colour {
                true => ThemeStyles::ansi(),
                false => ThemeStyles::none(),
            },
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(WIDTH)
            .with_context_lines(1)
            .without_syntax_highlighting();
        let mut text = String::new();
        for problem in &self.list {
            let report = self.report(problem);
            // A string takes all that is written to it.
            let _ = handler.render_report(&mut text, report.as_ref());
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    fn report(&self, problem: &Problem) -> Report {
        let mut diagnostic = MietteDiagnostic::new(&problem.reason);
        let Some((source, place)) = &problem.place else {
            return Report::new(diagnostic);
        };
        let file = &self.sources[*source];
        let span = visible(&file.text, place);
        diagnostic = diagnostic.and_label(LabeledSpan::new_primary_with_span(None, span));
        match &problem.first {
            Some((first, place)) if first == source => {
                let label = Some("first here".to_owned());
                let span = visible(&file.text, place);
                diagnostic = diagnostic.and_label(LabeledSpan::new_with_span(label, span));
            }
            Some((first, place)) => {
                diagnostic = diagnostic.with_help(format!("first at {}", self.at(*first, place)));
            }
            None => {}
        }
        let named = NamedSource::new(&file.name, file.text.clone());
        Report::new(diagnostic).with_source_code(named)
    }

    /// `file:line:column`; lines and columns (in characters) from 1.
    fn at(&self, source: usize, place: &Range<usize>) -> String {
        let Source { name, text } = &self.sources[source];
        let before = text.get(..place.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&it| it != '\n').count() + 1;
        format!("{name}:{line}:{column}")
    }

    fn summary(&self) -> String {
        match self.list.len() {
            1 => "1 mistake; nothing was changed".to_owned(),
            count => format!("{count} mistakes; nothing was changed"),
        }
    }
}

/// A span that there is something to see of: at least a character, within the text.
fn visible(text: &str, place: &Range<usize>) -> Range<usize> {
    let start = place.start.min(text.len());
    let next = text.get(start..).and_then(|rest| rest.chars().next());
    let least = start + next.map_or(0, char::len_utf8);
    start..place.end.clamp(least, text.len().max(least))
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            if let Some((source, place)) = &problem.place {
                write!(out, "{}: ", self.at(*source, place))?;
            }
            writeln!(out, "{}", problem.reason)?;
        }
        out.write_str(&self.summary())
    }
}
