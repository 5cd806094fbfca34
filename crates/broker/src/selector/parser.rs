//! From tokens to an expression, by descent: OR, AND, NOT, comparison, sum, product, sign, operand.

use super::error::SelectorError;
use super::expression::{Comparison, Expression, Kind, Literal, Operation};
use super::field::Field;
use super::lexer::{Keyword, Lexer, Token};
use super::like::Pattern;
use super::{MAX_DEPTH, MAX_LENGTH};

/// Reads a whole selector.
pub(super) fn parse(text: &str) -> Result<Expression, SelectorError> {
    if text.len() > MAX_LENGTH {
        let error = format!("the selector has {} bytes, it may have {MAX_LENGTH}", text.len());
        return Err(SelectorError::new(text, 0, error));
    }
    let mut parser = Parser::new(text)?;
    if parser.token == Token::End {
        return Ok(Expression::Literal(Literal::Boolean(true)));
    }
    let start = parser.start;
    let condition = parser.alternatives()?;
    if parser.token != Token::End {
        return Err(match parser.token {
            Token::Close => parser.error_here("this ) closes nothing"),
            Token::Compare(_) => {
                parser.error_here("a comparison cannot be compared; use AND, or parentheses")
            }
            _ => parser.expected("AND, OR, an operator or the end"),
        });
    }
    parser.require(&condition, Kind::Condition, start, "the selector")?;
    Ok(condition)
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The next token, and where it is, in bytes.
    token: Token,
    start: usize,
    end: usize,
    /// Parentheses that are open.
    depth: usize,
}

type Parsed = Result<Expression, SelectorError>;

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, SelectorError> {
        let mut lexer = Lexer::new(text);
        let (token, start, end) = lexer.next()?;
        Ok(Self { text, lexer, token, start, end, depth: 0 })
    }

    /// Takes the next token.
    fn advance(&mut self) -> Result<Token, SelectorError> {
        let (token, start, end) = self.lexer.next()?;
        (self.start, self.end) = (start, end);
        Ok(std::mem::replace(&mut self.token, token))
    }

    /// Takes the next token if it is this one.
    fn take(&mut self, token: &Token) -> Result<bool, SelectorError> {
        let found = self.token == *token;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn take_word(&mut self, word: Keyword) -> Result<bool, SelectorError> {
        self.take(&Token::Word(word))
    }

    fn alternatives(&mut self) -> Parsed {
        self.junction(Keyword::Or, "OR", Self::conditions, Expression::Or)
    }

    fn conditions(&mut self) -> Parsed {
        self.junction(Keyword::And, "AND", Self::negation, Expression::And)
    }

    fn junction(
        &mut self,
        word: Keyword,
        name: &str,
        operand: fn(&mut Self) -> Parsed,
        make: fn(Vec<Expression>) -> Expression,
    ) -> Parsed {
        let mut start = self.start;
        let first = operand(self)?;
        if self.token != Token::Word(word) {
            return Ok(first);
        }
        self.require(&first, Kind::Condition, start, name)?;
        let mut operands = vec![first];
        while self.take_word(word)? {
            start = self.start;
            let next = operand(self)?;
            self.require(&next, Kind::Condition, start, name)?;
            operands.push(next);
        }
        Ok(make(operands))
    }

    fn negation(&mut self) -> Parsed {
        let mut negations = 0_usize;
        while self.take_word(Keyword::Not)? {
            negations += 1;
        }
        let start = self.start;
        let operand = self.comparison()?;
        if negations == 0 {
            return Ok(operand);
        }
        self.require(&operand, Kind::Condition, start, "NOT")?;
        // What is not a condition after all stays unknown: so twice is not the same as not at all.
        let once = Expression::Not(Box::new(operand));
        Ok(if negations.is_multiple_of(2) { Expression::Not(Box::new(once)) } else { once })
    }

    fn comparison(&mut self) -> Parsed {
        let start = self.start;
        let left = self.sum()?;
        if let Token::Compare(comparison) = self.token {
            return self.compared(left, start, comparison);
        }
        if self.take_word(Keyword::Is)? {
            let negated = self.take_word(Keyword::Not)?;
            if !self.take_word(Keyword::Null)? {
                return Err(self.expected(if negated { "NULL" } else { "NULL or NOT NULL" }));
            }
            return Ok(Expression::IsNull { operand: Box::new(left), negated });
        }
        let negated = self.take_word(Keyword::Not)?;
        if self.take_word(Keyword::Between)? {
            return self.between(left, start, negated);
        }
        if self.take_word(Keyword::In)? {
            return self.choices(left, negated);
        }
        if self.take_word(Keyword::Like)? {
            self.require(&left, Kind::Text, start, "LIKE")?;
            return self.like(left, negated);
        }
        if negated {
            return Err(self.expected("BETWEEN, IN or LIKE after NOT"));
        }
        Ok(left)
    }

    fn compared(&mut self, left: Expression, start: usize, comparison: Comparison) -> Parsed {
        self.advance()?;
        let other = self.start;
        let right = self.sum()?;
        if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            let (kind, found) = (left.kind(), right.kind());
            if kind != found && kind != Kind::Any && found != Kind::Any {
                let text = format!("{} is never equal to {}", found.name(), kind.name());
                return Err(SelectorError::new(self.text, other, text));
            }
        } else {
            self.require(&left, Kind::Number, start, "an order")?;
            self.require(&right, Kind::Number, other, "an order")?;
        }
        Ok(Expression::Compare(Box::new((left, right)), comparison))
    }

    fn between(&mut self, operand: Expression, start: usize, negated: bool) -> Parsed {
        self.require(&operand, Kind::Number, start, "BETWEEN")?;
        let start = self.start;
        let low = self.sum()?;
        self.require(&low, Kind::Number, start, "BETWEEN")?;
        if !self.take_word(Keyword::And)? {
            return Err(self.expected("AND and the upper bound of BETWEEN"));
        }
        let start = self.start;
        let high = self.sum()?;
        self.require(&high, Kind::Number, start, "BETWEEN")?;
        Ok(Expression::Between { operands: Box::new([operand, low, high]), negated })
    }

    fn choices(&mut self, operand: Expression, negated: bool) -> Parsed {
        if !self.take(&Token::Open)? {
            return Err(self.expected("( and the values of IN"));
        }
        let mut choices = Vec::new();
        loop {
            choices.push(self.choice()?);
            if self.take(&Token::Close)? {
                return Ok(Expression::In { operand: Box::new(operand), choices, negated });
            }
            if !self.take(&Token::Comma)? {
                return Err(self.expected("',' or ')'"));
            }
        }
    }

    /// JMS has strings only; numbers do no harm.
    fn choice(&mut self) -> Result<Literal, SelectorError> {
        let negative = self.take(&Token::Minus)?;
        match &self.token {
            Token::Literal(literal @ Literal::Text(_)) if !negative => {
                let literal = literal.clone();
                self.advance()?;
                Ok(literal)
            }
            Token::Literal(literal @ (Literal::Exact(_) | Literal::Approximate(_))) => {
                let literal = match literal {
                    Literal::Exact(number) if negative => Literal::Exact(-number),
                    Literal::Approximate(number) if negative => Literal::Approximate(-number),
                    literal => literal.clone(),
                };
                self.advance()?;
                Ok(literal)
            }
            _ if negative => Err(self.expected("a number")),
            _ => Err(self.expected("a string in single quotes, or a number")),
        }
    }

    fn like(&mut self, operand: Expression, negated: bool) -> Parsed {
        let at = self.start;
        let pattern = self.string("a pattern in single quotes after LIKE")?;
        let mut escape = None;
        if self.take_word(Keyword::Escape)? {
            let at = self.start;
            let text = self.string("one character in single quotes after ESCAPE")?;
            let mut chars = text.chars();
            escape = match (chars.next(), chars.next()) {
                (Some(escape), None) => Some(escape),
                _ => {
                    let text = format!("ESCAPE takes one character, '{text}' is not one");
                    return Err(SelectorError::new(self.text, at, text));
                }
            };
        }
        let pattern =
            Pattern::new(&pattern, escape).map_err(|error| SelectorError::new(self.text, at, error))?;
        Ok(Expression::Like { operand: Box::new(operand), pattern, negated })
    }

    fn string(&mut self, what: &str) -> Result<Box<str>, SelectorError> {
        let Token::Literal(Literal::Text(text)) = &self.token else {
            return Err(self.expected(what));
        };
        let text = text.clone();
        self.advance()?;
        Ok(text)
    }

    fn sum(&mut self) -> Parsed {
        self.chain(Self::product, |token| match token {
            Token::Plus => Some(Operation::Add),
            Token::Minus => Some(Operation::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Parsed {
        self.chain(Self::signed, |token| match token {
            Token::Star => Some(Operation::Multiply),
            Token::Slash => Some(Operation::Divide),
            _ => None,
        })
    }

    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Parsed,
        operation: fn(&Token) -> Option<Operation>,
    ) -> Parsed {
        let start = self.start;
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some(operation) = operation(&self.token) {
            if rest.is_empty() {
                self.require(&first, Kind::Number, start, "arithmetic")?;
            }
            self.advance()?;
            let start = self.start;
            let next = operand(self)?;
            self.require(&next, Kind::Number, start, "arithmetic")?;
            rest.push((operation, next));
        }
        Ok(if rest.is_empty() { first } else { Expression::Arithmetic(Box::new(first), rest) })
    }

    fn signed(&mut self) -> Parsed {
        let (mut signs, mut negative) = (0_usize, false);
        loop {
            match self.token {
                Token::Minus => negative = !negative,
                Token::Plus => {}
                _ => break,
            }
            signs += 1;
            self.advance()?;
        }
        let start = self.start;
        let operand = self.operand()?;
        if signs == 0 {
            return Ok(operand);
        }
        self.require(&operand, Kind::Number, start, "a sign")?;
        Ok(match operand {
            Expression::Literal(Literal::Exact(number)) if negative => {
                Expression::Literal(Literal::Exact(-number))
            }
            operand if negative => Expression::Negative(Box::new(operand)),
            // What is no number has no sign either.
            operand @ Expression::Field(_) => Expression::Arithmetic(
                Box::new(operand),
                vec![(Operation::Add, Expression::Literal(Literal::Exact(0)))],
            ),
            operand => operand,
        })
    }

    fn operand(&mut self) -> Parsed {
        match &self.token {
            Token::Literal(_) | Token::Name(_) | Token::Word(Keyword::True | Keyword::False) => {}
            Token::Open => return self.parentheses(),
            Token::Word(Keyword::Null) => return Err(self.error_here("NULL is no value; use IS NULL")),
            Token::Word(Keyword::Not) => return Err(self.error_here("NOT needs parentheses here")),
            _ => return Err(self.expected("a name, a value or '('")),
        }
        Ok(match self.advance()? {
            Token::Literal(literal) => Expression::Literal(literal),
            Token::Name(name) => Expression::Field(Field::named(&name)),
            word => Expression::Literal(Literal::Boolean(word == Token::Word(Keyword::True))),
        })
    }

    fn parentheses(&mut self) -> Parsed {
        let at = self.start;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error_here(format!("more than {MAX_DEPTH} parentheses are within each other")));
        }
        self.advance()?;
        let expression = self.alternatives()?;
        if self.token == Token::End {
            return Err(SelectorError::new(self.text, at, "this ( is never closed"));
        }
        if !self.take(&Token::Close)? {
            return Err(self.expected("')', AND, OR or an operator"));
        }
        self.depth -= 1;
        Ok(expression)
    }

    /// An expression that starts at `at` must be able to be of a kind.
    fn require(&self, expression: &Expression, kind: Kind, at: usize, by: &str) -> Result<(), SelectorError> {
        let found = expression.kind();
        if found == kind || found == Kind::Any {
            return Ok(());
        }
        let text = format!("{by} needs {}, this is {}", kind.name(), found.name());
        Err(SelectorError::new(self.text, at, text))
    }

    fn expected(&self, what: &str) -> SelectorError {
        let found = match &self.token {
            Token::End => "the end".to_owned(),
            _ => {
                let token = self.text.get(self.start..self.end).unwrap_or_default();
                let short: String = token.chars().take(40).collect();
                format!("'{short}'{}", if short.len() < token.len() { "..." } else { "" })
            }
        };
        self.error_here(format!("expected {what}, found {found}"))
    }

    fn error_here(&self, text: impl Into<String>) -> SelectorError {
        SelectorError::new(self.text, self.start, text)
    }
}
