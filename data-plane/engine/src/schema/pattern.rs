//! Regular expressions of schemas, which are those of ECMAScript, for an engine that takes linear time.
//!
//! What that engine spells differently is translated; what it cannot do (looking around, referring back) is refused.

use std::{collections::HashMap, sync::Arc};

use regex::{Regex, RegexBuilder};

/// Sizes that an expression may have compiled, in bytes: it costs the smallest one that it fits.
const SIZES: [usize; 4] = [16 << 10, 64 << 10, 256 << 10, 1 << 20];
/// What all expressions of a document may cost together, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// Longest expression, in bytes.
const MAX_TEXT: usize = 4096;

/// The expressions of a document, each compiled once.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    by_text: HashMap<String, Arc<Regex>>,
    bytes: usize,
}

impl Patterns {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is none, cannot be done in linear time, or is too large.
    pub(super) fn compile(&mut self, text: &str) -> Result<Arc<Regex>, String> {
        if let Some(known) = self.by_text.get(text) {
            return Ok(Arc::clone(known));
        }
        if text.len() > MAX_TEXT {
            return Err(format!("is over {MAX_TEXT} bytes"));
        }
        let translated = translate(text)?;
        for size in SIZES {
            let built = RegexBuilder::new(&translated)
                .size_limit(size)
                .dfa_size_limit(256 << 10)
                .nest_limit(64)
                .build();
            match built {
                Ok(regex) => {
                    self.bytes += size;
                    if self.bytes > MAX_BYTES {
                        return Err("the expressions are too large together".to_owned());
                    }
                    let regex = Arc::new(regex);
                    self.by_text.insert(text.to_owned(), Arc::clone(&regex));
                    return Ok(regex);
                }
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => {
                    let error = error.to_string();
                    let last = error.lines().last().unwrap_or_default();
                    let why = last.trim_start_matches("error: ");
                    return Err(format!("`{text}` cannot be used: {why}"));
                }
            }
        }
        Err(format!("`{text}` is too large once it is compiled"))
    }
}

/// `\d`, `\w` and their opposites are of ASCII in ECMAScript; in its classes, `[`, `&&`, `--` and `~~` mean themselves.
fn translate(text: &str) -> Result<String, String> {
    let mut translated = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let escaped = characters.next().ok_or("ends with a backslash")?;
                escape(escaped, in_class, &mut translated);
            }
            '[' if in_class => translated.push_str("\\["),
            '[' => {
                in_class = true;
                translated.push('[');
                if characters.peek() == Some(&'^') {
                    characters.next();
                    translated.push('^');
                }
                if characters.peek() == Some(&']') {
                    return Err(
                        "`[]` and `[^]` match nothing and anything; write them otherwise"
                            .to_owned(),
                    );
                }
            }
            ']' if in_class => {
                in_class = false;
                translated.push(']');
            }
            '&' | '~' if in_class => {
                translated.push('\\');
                translated.push(character);
            }
            other => translated.push(other),
        }
    }
    Ok(translated)
}

fn escape(escaped: char, in_class: bool, translated: &mut String) {
    let (class, alone) = match escaped {
        'd' => ("0-9", "[0-9]"),
        'w' => ("A-Za-z0-9_", "[A-Za-z0-9_]"),
        'D' => ("[^0-9]", "[^0-9]"),
        'W' => ("[^A-Za-z0-9_]", "[^A-Za-z0-9_]"),
        other => {
            translated.push('\\');
            translated.push(other);
            return;
        }
    };
    translated.push_str(if in_class { class } else { alone });
}
