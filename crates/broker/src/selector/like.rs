//! Patterns of LIKE: `%` stands for any text, `_` for any character.

/// Longer patterns are refused, in characters: what bounds the work for a message.
pub(super) const MAX_PATTERN: usize = 256;

/// A pattern, taken apart at its `%`.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    first: Piece,
    /// What follows each `%`.
    rest: Vec<Piece>,
}

/// Text between `%`s.
#[derive(Clone, Debug, Default)]
struct Piece {
    /// `None` is any character.
    chars: Vec<Option<char>>,
    /// The same as text, if it has no `_`.
    text: Option<Box<str>>,
}

impl Pattern {
    /// # Errors
    /// If it ends with the escape character, escapes what needs none, or is too long; and where, in
    /// characters.
    pub(super) fn new(text: &str, escape: Option<char>) -> Result<Self, String> {
        if text.chars().count() > MAX_PATTERN {
            return Err(format!("a pattern has at most {MAX_PATTERN} characters"));
        }
        let mut pieces = vec![Piece::default()];
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let part = if Some(char) == escape {
                match chars.next() {
                    Some(escaped) if matches!(escaped, '%' | '_') || escaped == char => Some(escaped),
                    Some(other) => {
                        return Err(format!(
                            "the escape '{char}' stands before '{other}'; it goes before % or _"
                        ));
                    }
                    None => return Err(format!("the pattern ends with its escape '{char}'")),
                }
            } else {
                match char {
                    '%' => {
                        pieces.push(Piece::default());
                        continue;
                    }
                    '_' => None,
                    char => Some(char),
                }
            };
            if let Some(piece) = pieces.last_mut() {
                piece.chars.push(part);
            }
        }
        let mut pieces = pieces.into_iter().map(Piece::finished);
        let first = pieces.next().unwrap_or_default();
        Ok(Self { first, rest: pieces.collect() })
    }

    /// Whether the whole text is as the pattern says. Pieces are looked for from left to right; the
    /// first place that fits is as good as any, so that nothing is tried twice.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(mut text) = self.first.after(text) else { return false };
        let Some((last, between)) = self.rest.split_last() else { return text.is_empty() };
        for piece in between {
            match piece.find(text) {
                Some(rest) => text = rest,
                None => return false,
            }
        }
        last.ends(text)
    }
}

impl Piece {
    fn finished(mut self) -> Self {
        self.text = self.chars.iter().copied().collect::<Option<String>>().map(Into::into);
        self
    }

    /// What follows the piece, if the text starts with it.
    fn after<'a>(&self, text: &'a str) -> Option<&'a str> {
        if let Some(piece) = &self.text {
            return text.strip_prefix(&**piece);
        }
        let mut chars = text.chars();
        let fits = self
            .chars
            .iter()
            .all(|wanted| chars.next().is_some_and(|found| wanted.is_none_or(|wanted| wanted == found)));
        fits.then_some(chars.as_str())
    }

    /// What follows the first place where the piece is.
    fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        if let Some(piece) = &self.text {
            return text.split_once(&**piece).map(|(_, rest)| rest);
        }
        text.char_indices().find_map(|(start, _)| self.after(text.get(start..)?))
    }

    /// Whether the text ends with the piece.
    fn ends(&self, text: &str) -> bool {
        if let Some(piece) = &self.text {
            return text.ends_with(&**piece);
        }
        let mut chars = text.chars();
        self.chars
            .iter()
            .rev()
            .all(|wanted| chars.next_back().is_some_and(|found| wanted.is_none_or(|wanted| wanted == found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::new(pattern, Some('\\')).expect("it is a pattern").matches(text)
    }

    #[test]
    fn any_text_and_any_character() {
        let all = [
            ("", ""),
            ("", "%"),
            ("", "%%"),
            ("a", "_"),
            ("ä", "_"),
            ("abc", "abc"),
            ("abc", "a%"),
            ("abc", "%c"),
            ("abc", "a%c"),
            ("abc", "%b%"),
            ("abc", "___"),
            ("abc", "_%_"),
            ("aXbXc", "a%X_"),
            ("abab", "%ab"),
            ("12993", "12%3"),
            ("a%b", "a\\%b"),
            ("a_b", "a\\_b"),
            ("a\\b", "a\\\\b"),
            ("line\nbreak", "line%"),
            ("mississippi", "m%iss%ip%"),
        ];
        for (text, pattern) in all {
            assert!(like(text, pattern), "'{text}' LIKE '{pattern}'");
        }
        let none = [
            ("a", ""),
            ("", "_"),
            ("abc", "ab"),
            ("abc", "bc"),
            ("abc", "__"),
            ("abc", "____"),
            ("ab", "%b%b"),
            ("aba", "ab%ba"),
            ("ABC", "abc"),
            ("aXb", "a\\%b"),
            ("aXb", "a\\_b"),
        ];
        for (text, pattern) in none {
            assert!(!like(text, pattern), "'{text}' LIKE '{pattern}'");
        }
    }

    #[test]
    fn an_escape_that_escapes_nothing_is_an_error() {
        assert!(Pattern::new("a!", Some('!')).is_err());
        assert!(Pattern::new("a!b", Some('!')).is_err());
        assert!(Pattern::new("a!b", None).is_ok());
        assert!(Pattern::new(&"x".repeat(MAX_PATTERN + 1), None).is_err());
    }

    #[test]
    fn hopeless_patterns_are_not_tried_for_ever() {
        let pattern = Pattern::new(&"%_a".repeat(80), None).expect("it is a pattern");
        assert!(!pattern.matches(&format!("{}b", "a".repeat(100_000))));
    }

    /// By definition, trying everything.
    fn slow(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| slow(&text[skip..], rest)),
            Some(('_', rest)) => !text.is_empty() && slow(&text[1..], rest),
            Some((char, rest)) => text.first() == Some(char) && slow(&text[1..], rest),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn patterns_mean_what_their_definition_says(text in "[abé]{0,9}", pattern in "[abé%_]{0,7}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(like(&text, &pattern), slow(&chars(&text), &chars(&pattern)));
        }
    }
}
