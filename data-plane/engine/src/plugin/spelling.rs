//! Finds the name that was probably meant.

/// The candidate nearest to `word`: at most a third of it differs.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let measured = |candidate: &'a str| (distance(word, candidate), candidate);
    let close = candidates.into_iter().map(measured);
    let best = close.filter(|(distance, _)| *distance <= limit).min()?;
    Some(best.1)
}

/// Insertions, removals and replacements between two words (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_finds_the_name_that_was_meant() {
        let names = ["key-auth", "rate-limit", "cors"];
        assert_eq!(nearest("ratelimit", names), Some("rate-limit"));
        assert_eq!(nearest("key_auth", names), Some("key-auth"));
        assert_eq!(nearest("transform", names), None);
    }
}
