//! Names and characters that XML allows.

/// Whether it is a name (XML 1.0 section 2.3), with at most one colon and none at an end (Namespaces in XML).
pub(super) fn is_name(text: &str) -> bool {
    let mut parts = text.splitn(2, ':');
    let (Some(first), second) = (parts.next(), parts.next()) else {
        return false;
    };
    is_part(first) && second.is_none_or(is_part)
}

fn is_part(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(starts) && chars.all(|it| starts(it) || continues(it))
}

fn starts(it: char) -> bool {
    matches!(it, 'A'..='Z' | 'a'..='z' | '_' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn continues(it: char) -> bool {
    matches!(it, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// Whether XML 1.0 has this character (section 2.2).
pub(super) fn is_char(it: char) -> bool {
    matches!(it, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
