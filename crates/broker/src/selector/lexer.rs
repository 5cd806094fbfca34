//! From text to tokens.

use super::SelectorError;
use super::expression::{Comparison, Literal};

/// A word or sign of a selector.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(Keyword),
    /// The name of a header field or property.
    Name(Box<str>),
    /// A number or string.
    Literal(Literal),
    Compare(Comparison),
    Plus,
    Minus,
    Star,
    Slash,
    Open,
    Close,
    Comma,
    End,
}

/// Words that are no names, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    And,
    Between,
    Escape,
    False,
    In,
    Is,
    Like,
    Not,
    Null,
    Or,
    True,
}

const KEYWORDS: [(&str, Keyword); 11] = [
    ("AND", Keyword::And),
    ("BETWEEN", Keyword::Between),
    ("ESCAPE", Keyword::Escape),
    ("FALSE", Keyword::False),
    ("IN", Keyword::In),
    ("IS", Keyword::Is),
    ("LIKE", Keyword::Like),
    ("NOT", Keyword::Not),
    ("NULL", Keyword::Null),
    ("OR", Keyword::Or),
    ("TRUE", Keyword::True),
];

/// Takes tokens from a text.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token, and where it starts and ends, in bytes. `End` again and again at the end.
    pub(super) fn next(&mut self) -> Result<(Token, usize, usize), SelectorError> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let token = self.token()?;
        Ok((token, start, self.at))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn token(&mut self) -> Result<Token, SelectorError> {
        let rest = self.rest();
        let mut chars = rest.chars();
        let Some(first) = chars.next() else { return Ok(Token::End) };
        let second = chars.next();
        let (token, length) = match (first, second) {
            ('\'', _) => return self.quoted('\'', "string").map(|text| Token::Literal(Literal::Text(text))),
            ('"', _) => return self.quoted('"', "name").map(Token::Name),
            ('0'..='9', _) | ('.', Some('0'..='9')) => return self.number(),
            ('<', Some('>')) | ('!', Some('=')) => (Token::Compare(Comparison::NotEqual), 2),
            ('<', Some('=')) => (Token::Compare(Comparison::LessOrEqual), 2),
            ('>', Some('=')) => (Token::Compare(Comparison::GreaterOrEqual), 2),
            ('=', Some('=')) => return Err(self.error("'==' is no operator; use '='")),
            ('<', _) => (Token::Compare(Comparison::Less), 1),
            ('>', _) => (Token::Compare(Comparison::Greater), 1),
            ('=', _) => (Token::Compare(Comparison::Equal), 1),
            ('+', _) => (Token::Plus, 1),
            ('-', _) => (Token::Minus, 1),
            ('*', _) => (Token::Star, 1),
            ('/', _) => (Token::Slash, 1),
            ('(', _) => (Token::Open, 1),
            (')', _) => (Token::Close, 1),
            (',', _) => (Token::Comma, 1),
            ('&', Some('&')) => return Err(self.error("'&&' is no operator; use AND")),
            ('|', Some('|')) => return Err(self.error("'||' is no operator; use OR")),
            ('!', _) => return Err(self.error("'!' is no operator; use NOT, or '<>' for unequal")),
            (first, _) if starts_name(first) => return Ok(self.word()),
            (first, _) => {
                let text = format!("'{}' is not part of any selector", first.escape_debug());
                return Err(self.error(text));
            }
        };
        self.at += length;
        Ok(token)
    }

    /// Text in quotes; two of them stand for one.
    fn quoted(&mut self, quote: char, what: &str) -> Result<Box<str>, SelectorError> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((place, char)) = chars.next() {
            if char == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
                if text.is_empty() && quote == '"' {
                    return Err(self.error("a name in double quotes is empty"));
                }
                self.at += place + 1;
                return Ok(text.into());
            }
            text.push(char);
        }
        Err(self.error(format!("this {what} has no end; a {quote} is missing")))
    }

    fn word(&mut self) -> Token {
        let rest = self.rest();
        let end = rest.find(|char| !continues_name(char)).unwrap_or(rest.len());
        let word = &rest[..end];
        self.at += end;
        match KEYWORDS.iter().find(|(keyword, _)| keyword.eq_ignore_ascii_case(word)) {
            Some((_, keyword)) => Token::Word(*keyword),
            None => Token::Name(word.into()),
        }
    }

    /// Numbers as in Java: exact ones decimal, hexadecimal or octal, and approximate ones.
    fn number(&mut self) -> Result<Token, SelectorError> {
        let rest = self.rest();
        let end = number_end(rest);
        let word = &rest[..end];
        let literal = match word.get(..2) {
            Some("0x" | "0X") => self.exact(word, without_long(&word[2..]), 16),
            _ if word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'l' | b'L')) => {
                let digits = without_long(word);
                let radix = if digits.len() > 1 && digits.starts_with('0') { 8 } else { 10 };
                self.exact(word, digits, radix)
            }
            _ => self.approximate(word),
        }?;
        self.at += end;
        Ok(Token::Literal(literal))
    }

    fn exact(&self, word: &str, digits: &str, radix: u32) -> Result<Literal, SelectorError> {
        if let Ok(number) = u64::from_str_radix(digits, radix) {
            return Ok(Literal::Exact(number.into()));
        }
        let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        Err(self.error(if is_number {
            format!("the number '{word}' is too large; the largest is {}", u64::MAX)
        } else if radix == 8 {
            format!("'{word}' is no number; those that start with 0 are octal, as in Java")
        } else {
            format!("'{word}' is no number")
        }))
    }

    fn approximate(&self, word: &str) -> Result<Literal, SelectorError> {
        let number = match word.strip_suffix(['f', 'F']) {
            Some(digits) => digits.parse().map(|number: f32| f64::from(number)),
            None => word.strip_suffix(['d', 'D']).unwrap_or(word).parse(),
        };
        match number {
            Ok(number) if number.is_finite() => Ok(Literal::Approximate(number)),
            Ok(_) => Err(self.error(format!("the number '{word}' is too large"))),
            Err(_) => Err(self.error(format!("'{word}' is no number"))),
        }
    }

    fn error(&self, text: impl Into<String>) -> SelectorError {
        SelectorError::new(self.text, self.at, text)
    }
}

fn without_long(digits: &str) -> &str {
    digits.strip_suffix(['l', 'L']).unwrap_or(digits)
}

/// Where a number ends: at what can be neither in a number nor in a name.
fn number_end(text: &str) -> usize {
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let mut before = ' ';
    for (place, char) in text.char_indices() {
        let sign = !hexadecimal && matches!(char, '+' | '-') && matches!(before, 'e' | 'E');
        if !sign && !continues_name(char) {
            return place;
        }
        before = char;
    }
    text.len()
}

fn starts_name(char: char) -> bool {
    char.is_alphabetic() || matches!(char, '_' | '$')
}

/// Dots are part of names, which JMS does not have and AMQP needs: `properties.subject`.
fn continues_name(char: char) -> bool {
    starts_name(char) || char.is_numeric() || char == '.'
}
