//! SASLprep, RFC 4013: one spelling for user names and passwords, whatever keyboard they were typed on.

use std::borrow::Cow;

use super::SaslError;

/// Brings a user name or password into the form that is hashed and compared.
///
/// Control characters are refused. ASCII text stays as it is. Other text goes through SASLprep: compatibility
/// composition, odd spaces to plain ones, invisible characters dropped. Text that SASLprep rejects, which is mostly
/// text with characters newer than Unicode 3.2 such as emoji, is used as it is, as PostgreSQL does too: refusing it
/// would shut out users whose servers accept it.
pub(in crate::sasl) fn prepare<'a>(field: &'static str, text: &'a str) -> Result<Cow<'a, str>, SaslError> {
    if text.chars().any(char::is_control) {
        return Err(SaslError::Credentials { field, problem: "contains a control character" });
    }
    Ok(stringprep::saslprep(text).unwrap_or(Cow::Borrowed(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4013_examples() {
        let table = [
            ("I\u{AD}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{AA}", "a"),
            ("\u{2168}", "IX"),
            ("a\u{A0}b", "a b"),
        ];
        for (text, prepared) in table {
            assert_eq!(prepare("username", text).unwrap(), prepared, "{text:?}");
        }
    }

    #[test]
    fn one_spelling_for_composed_and_decomposed() {
        assert_eq!(prepare("password", "e\u{301}").unwrap(), prepare("password", "\u{E9}").unwrap());
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["\u{7}", "a\0b", "line\n", "\u{7F}", "\u{85}"] {
            let error = prepare("password", text).unwrap_err();
            assert_eq!(error.to_string(), "the password contains a control character", "{text:?}");
        }
    }

    #[test]
    fn what_saslprep_does_not_know_is_used_as_it_is() {
        for text in ["\u{1F511}key", "\u{627}\u{31}", "\u{E000}"] {
            assert_eq!(prepare("password", text).unwrap(), text);
        }
    }
}
