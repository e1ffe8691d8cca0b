//! The grammar of `$filter` and of `$search`.

use serde_json::Value;

use super::{Expr, Operator, TextTest};
use crate::lab::graph::fault::Fault;

/// Reads a `$filter`.
pub(in crate::lab::graph) fn parse(text: &str) -> Result<Expr, Fault> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, text };
    let expr = parser.or()?;
    if parser.next == parser.tokens.len() { Ok(expr) } else { Err(invalid(text)) }
}

/// Reads a `$search`: `"displayName:words"`, which looks for the words anywhere in the name.
pub(in crate::lab::graph) fn parse_search(text: &str) -> Result<Expr, Fault> {
    let inner = text.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner.and_then(|inner| inner.split_once(':')) {
        Some((name, words)) => Ok(Expr::Text(vec![name.to_owned()], TextTest::Contains, words.to_owned())),
        None => Err(Fault::malformed(format!("Syntax error: {text} is no clause of the form \"property:value\"."))),
    }
}

fn invalid(text: &str) -> Fault {
    Fault::malformed(format!("Invalid filter clause: '{text}'."))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    Colon,
    Word(String),
    Literal(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => {
                let mut literal = String::new();
                loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            literal.push('\'');
                        }
                        Some('\'') => break,
                        Some(c) => literal.push(c),
                        None => return Err(invalid(text)),
                    }
                }
                tokens.push(Token::Literal(literal));
            }
            c => {
                let mut word = String::from(c);
                while let Some(&next) = chars.peek() {
                    // `x:x/name` has a colon after one name; times have theirs after a digit.
                    let ends = next.is_whitespace() || "(),'".contains(next);
                    let is_variable = next == ':' && word.chars().all(|c| c.is_ascii_alphabetic());
                    if ends || is_variable {
                        break;
                    }
                    word.push(next);
                    chars.next();
                }
                tokens.push(if word == ":" { Token::Colon } else { Token::Word(word) });
                if chars.peek() == Some(&':') {
                    chars.next();
                    tokens.push(Token::Colon);
                }
            }
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    next: usize,
    text: &'a str,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Expr, Fault> {
        let mut left = self.and()?;
        while self.takes_word("or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, Fault> {
        let mut left = self.unary()?;
        while self.takes_word("and") {
            left = Expr::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        if self.takes_word("not") {
            return Ok(Expr::Not(Box::new(self.unary()?)));
        }
        if self.takes(&Token::Open) {
            let inner = self.or()?;
            return if self.takes(&Token::Close) { Ok(inner) } else { Err(invalid(self.text)) };
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<Expr, Fault> {
        let word = self.word()?;
        if self.peek() == Some(&Token::Open) {
            let test = match word.to_ascii_lowercase().as_str() {
                "startswith" => Some(TextTest::StartsWith),
                "endswith" => Some(TextTest::EndsWith),
                "contains" => Some(TextTest::Contains),
                _ => None,
            };
            return match (test, word.strip_suffix("/any")) {
                (Some(test), _) => self.text_test(test),
                (None, Some(collection)) => self.any(path(collection)),
                (None, None) => Err(Fault::unsupported_query(format!("Unsupported function '{word}' in the filter."))),
            };
        }
        let operator = self.word()?.to_ascii_lowercase();
        let path = path(&word);
        if operator == "in" {
            return self.list().map(|values| Expr::In(path, values));
        }
        let operator = match operator.as_str() {
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            _ => return Err(invalid(self.text)),
        };
        Ok(Expr::Compare(path, operator, self.literal()?))
    }

    fn text_test(&mut self, test: TextTest) -> Result<Expr, Fault> {
        self.next += 1;
        let path = path(&self.word()?);
        if !self.takes(&Token::Comma) {
            return Err(invalid(self.text));
        }
        let text = match self.literal()? {
            Value::String(text) => text,
            _ => return Err(invalid(self.text)),
        };
        if self.takes(&Token::Close) { Ok(Expr::Text(path, test, text)) } else { Err(invalid(self.text)) }
    }

    fn any(&mut self, collection: Vec<String>) -> Result<Expr, Fault> {
        self.next += 1;
        if self.takes(&Token::Close) {
            return Ok(Expr::Any(collection, String::new(), None));
        }
        let variable = self.word()?;
        if !self.takes(&Token::Colon) {
            return Err(invalid(self.text));
        }
        let inner = self.or()?;
        if self.takes(&Token::Close) {
            Ok(Expr::Any(collection, variable, Some(Box::new(inner))))
        } else {
            Err(invalid(self.text))
        }
    }

    fn list(&mut self) -> Result<Vec<Value>, Fault> {
        if !self.takes(&Token::Open) {
            return Err(invalid(self.text));
        }
        let mut values = vec![self.literal()?];
        while self.takes(&Token::Comma) {
            values.push(self.literal()?);
        }
        if self.takes(&Token::Close) { Ok(values) } else { Err(invalid(self.text)) }
    }

    fn literal(&mut self) -> Result<Value, Fault> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        match token {
            Some(Token::Literal(text)) => Ok(Value::String(text)),
            Some(Token::Word(word)) => Ok(match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                // A date-time or a GUID stands without quotes.
                word => serde_json::from_str::<serde_json::Number>(word)
                    .map_or_else(|_| Value::String(word.to_owned()), Value::Number),
            }),
            _ => Err(invalid(self.text)),
        }
    }

    fn word(&mut self) -> Result<String, Fault> {
        match self.tokens.get(self.next) {
            Some(Token::Word(word)) => {
                self.next += 1;
                Ok(word.clone())
            }
            _ => Err(invalid(self.text)),
        }
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn takes(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }
}

fn path(word: &str) -> Vec<String> {
    word.split('/').map(str::to_owned).collect()
}
