//! "Did you mean": the known word nearest to a misspelt one.

/// The known word closest to `word`, if any is close enough to be what was meant.
///
/// Closeness is the number of letters to add, drop, change or swap with a neighbour, case ignored;
/// up to a third of the word's length may differ. Of equally close words the first one given wins.
///
/// ```
/// # use guerrilla::config::closest;
/// assert_eq!(closest("max_cleints", ["max_size", "max_clients"]), Some("max_clients"));
/// assert_eq!(closest("colour", ["max_size", "max_clients"]), None);
/// ```
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    if word.len() > LONGEST {
        return None;
    }
    let allowed = (word.len() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// No key is longer, and the work grows with the square of the length.
const LONGEST: usize = 64;

/// Optimal string alignment distance, three rows at a time.
fn distance(word: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, &a) in word.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in other.iter().enumerate() {
            let changed = above[j] + usize::from(a != b);
            let mut least = changed.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == other[j - 1] && word[i - 1] == b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_slip_costs_one() {
        let table = [
            ("timeout", "timeout", 0),
            ("timeot", "timeout", 1),
            ("timeoutt", "timeout", 1),
            ("tineout", "timeout", 1),
            ("timeuot", "timeout", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
        ];
        for (word, other, expected) in table {
            let word: Vec<char> = word.chars().collect();
            assert_eq!(distance(&word, other), expected, "{word:?} {other}");
        }
    }

    #[test]
    fn only_a_near_word_is_proposed() {
        let known = ["log_file", "log_level", "log_format", "pid_file"];
        assert_eq!(closest("log_flie", known), Some("log_file"));
        assert_eq!(closest("LogLevel", known), Some("log_level"));
        assert_eq!(closest("log_fil", known), Some("log_file"));
        assert_eq!(closest("hosts", known), None);
        assert_eq!(closest("", known), None);
        assert_eq!(closest(&"x".repeat(1_000_000), known), None);
    }

    #[test]
    fn of_equally_close_words_the_first_wins() {
        assert_eq!(closest("cat", ["bat", "rat"]), Some("bat"));
    }
}
