//! Where a command reads and writes: the process' streams, or a test's buffers.

use std::{
    env,
    io::{self, BufRead, IsTerminal as _, Write},
};

/// Clears a screen, and goes to its upper left corner.
const CLEAR: &[u8] = b"\x1b[2J\x1b[H";

/// Where a command reads and writes.
pub struct Terminal<'a> {
    /// Standard input.
    pub input: Box<dyn BufRead + Send + 'a>,
    /// Standard output: what was asked for.
    pub out: Box<dyn Write + Send + 'a>,
    /// Standard error: everything else.
    pub err: Box<dyn Write + Send + 'a>,
    /// Whether to colour.
    pub colour: bool,
    /// Whether a person is there to answer questions.
    pub interactive: bool,
    /// Whether standard output is a screen, on which things can be drawn again.
    pub screen: bool,
}

impl std::fmt::Debug for Terminal<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Terminal")
            .field("colour", &self.colour)
            .field("interactive", &self.interactive)
            .field("screen", &self.screen)
            .finish_non_exhaustive()
    }
}

impl Terminal<'static> {
    /// The process' own. Coloured where a terminal reads it and `NO_COLOR` is not set.
    pub fn of_process() -> Self {
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            input: Box::new(io::BufReader::new(io::stdin())),
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            colour: io::stdout().is_terminal() && !plain,
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            screen: io::stdout().is_terminal(),
        }
    }
}

impl Terminal<'_> {
    /// Writes a line to standard output.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Writes what this draws, all of it at once; on a screen, in the place of what was there before.
    ///
    /// # Errors
    /// Nobody reads it, or it could not be drawn.
    pub fn draw(
        &mut self,
        draw: impl FnOnce(&mut Terminal<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut drawn = Vec::new();
        if self.screen {
            drawn.extend_from_slice(CLEAR);
        }
        draw(&mut Terminal {
            input: Box::new(io::empty()),
            out: Box::new(&mut drawn),
            err: Box::new(&mut self.err),
            colour: self.colour,
            interactive: false,
            screen: self.screen,
        })?;
        self.out.write_all(&drawn)?;
        Ok(self.out.flush()?)
    }

    /// Writes a line to standard error.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.err, "{text}")
    }

    /// Asks a question. Only `y` and `yes` are yes.
    ///
    /// # Errors
    /// The streams failed.
    pub fn confirm(&mut self, question: &str) -> io::Result<bool> {
        write!(self.err, "{question} [y/N] ")?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        let answer = answer.trim().to_ascii_lowercase();
        Ok(answer == "y" || answer == "yes")
    }

    /// For what is wrong or goes away.
    pub fn red(&self, text: &str) -> String {
        self.paint("31", text)
    }

    /// For what is added.
    pub fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what changes.
    pub fn yellow(&self, text: &str) -> String {
        self.paint("33", text)
    }

    /// For headings.
    pub fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For places in a diff.
    pub fn cyan(&self, text: &str) -> String {
        self.paint("36", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
