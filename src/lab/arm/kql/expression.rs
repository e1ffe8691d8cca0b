//! Expressions of Kusto: paths, literals, comparisons and a handful of functions.

use std::cmp::Ordering;

use serde_json::Value;

#[derive(Clone, Debug)]
pub(super) enum Expression {
    Path(Vec<String>),
    Literal(Value),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Compare(Box<Self>, Comparison, Box<Self>),
    /// Whether case counts, whether it is negated.
    In(Box<Self>, Vec<Self>, bool, bool),
    Call(Function, Vec<Self>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Like,
    NotLike,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    ToString,
    ToLower,
    ToUpper,
    ToBool,
    ToNumber,
    IsEmpty,
    IsNotEmpty,
    IsNull,
    IsNotNull,
    Not,
    Concatenate,
    Coalesce,
    Length,
    Identity,
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "tostring" => Self::ToString,
            "tolower" => Self::ToLower,
            "toupper" => Self::ToUpper,
            "tobool" => Self::ToBool,
            "toint" | "tolong" => Self::ToNumber,
            "isempty" => Self::IsEmpty,
            "isnotempty" => Self::IsNotEmpty,
            "isnull" => Self::IsNull,
            "isnotnull" => Self::IsNotNull,
            "not" => Self::Not,
            "strcat" => Self::Concatenate,
            "coalesce" => Self::Coalesce,
            "array_length" => Self::Length,
            "todynamic" | "parse_json" => Self::Identity,
            _ => return None,
        })
    }
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, next: 0, text };
        let expression = parser.or()?;
        if parser.next == parser.tokens.len() { Ok(expression) } else { Err(parser.problem()) }
    }

    /// What a column of this value is called.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Path(path) => Some(path.join("_")),
            Self::Call(_, arguments) => arguments.first()?.name(),
            _ => None,
        }
    }

    /// The value for a row. Columns that the row does not have are null.
    pub(super) fn of(&self, row: &Value) -> Value {
        match self {
            Self::Path(path) => path.iter().fold(row, |value, step| index(value, step)).clone(),
            Self::Literal(value) => value.clone(),
            Self::And(left, right) => (is_true(&left.of(row)) && is_true(&right.of(row))).into(),
            Self::Or(left, right) => (is_true(&left.of(row)) || is_true(&right.of(row))).into(),
            Self::Compare(left, how, right) => how.holds(&left.of(row), &right.of(row)).into(),
            Self::In(value, list, ignores_case, is_negated) => {
                let how = if *ignores_case { Comparison::Like } else { Comparison::Equal };
                let value = value.of(row);
                (list.iter().any(|each| how.holds(&value, &each.of(row))) != *is_negated).into()
            }
            Self::Call(function, arguments) => {
                let values: Vec<_> = arguments.iter().map(|argument| argument.of(row)).collect();
                call(*function, &values)
            }
        }
    }
}

fn index<'v>(value: &'v Value, step: &str) -> &'v Value {
    static NULL: Value = Value::Null;
    let at = step.parse::<usize>().ok().and_then(|at| value.get(at));
    at.or_else(|| value.get(step)).unwrap_or(&NULL)
}

fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn call(function: Function, values: &[Value]) -> Value {
    let first = values.first().unwrap_or(&Value::Null);
    match function {
        Function::ToString => text(first).into(),
        Function::ToLower => text(first).to_lowercase().into(),
        Function::ToUpper => text(first).to_uppercase().into(),
        Function::ToBool => match text(first).to_lowercase().as_str() {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => Value::Null,
        },
        Function::ToNumber => text(first).parse::<i64>().map_or(Value::Null, Value::from),
        Function::IsEmpty => text(first).is_empty().into(),
        Function::IsNotEmpty => (!text(first).is_empty()).into(),
        Function::IsNull => first.is_null().into(),
        Function::IsNotNull => (!first.is_null()).into(),
        Function::Not => first.as_bool().map_or(Value::Null, |value| (!value).into()),
        Function::Concatenate => values.iter().map(text).collect::<String>().into(),
        Function::Coalesce => values.iter().find(|value| !text(value).is_empty()).cloned().unwrap_or_default(),
        Function::Length => first.as_array().map_or(Value::Null, |list| list.len().into()),
        Function::Identity => first.clone(),
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let (l, r) = (text(left), text(right));
        let (low, other) = (l.to_lowercase(), r.to_lowercase());
        let numbers = left.as_f64().zip(right.as_f64());
        let order = numbers.map_or_else(|| Some(l.cmp(&r)), |(left, right)| left.partial_cmp(&right));
        match self {
            // Nothing compares with null, but for text, where null is empty.
            Self::Equal | Self::NotEqual if !right.is_string() && (left.is_null() || right.is_null()) => false,
            Self::Equal => l == r,
            Self::NotEqual => l != r,
            Self::Like => low == other,
            Self::NotLike => low != other,
            _ if left.is_null() => false,
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Self::Has => low.contains(&other),
            Self::StartsWith => low.starts_with(&other),
            Self::EndsWith => low.ends_with(&other),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' | '"' => {
                let mut literal = String::new();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some(other) => literal.push(other),
                        None => return Err(format!("a text without end: {text}")),
                    }
                }
                tokens.push(Token::Text(literal));
            }
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                    word.push(next);
                }
                // `in~`
                if word.eq_ignore_ascii_case("in") && chars.next_if_eq(&'~').is_some() {
                    word.push('~');
                }
                tokens.push(Token::Word(word));
            }
            c => {
                let mut sign = String::from(c);
                if let Some(next) = chars.next_if(|next| "=!<>".contains(c) && "=~".contains(*next)) {
                    sign.push(next);
                }
                tokens.push(Token::Sign(sign));
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
    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.takes_word("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.comparison()?;
        while self.takes_word("and") {
            left = Expression::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.value()?;
        let is_negated = self.takes_sign("!");
        for (word, ignores_case) in [("in", false), ("in~", true)] {
            if self.takes_word(word) {
                let list = self.list()?;
                return Ok(Expression::In(Box::new(left), list, ignores_case, is_negated));
            }
        }
        let how = match self.tokens.get(self.next) {
            Some(Token::Sign(sign)) => match sign.as_str() {
                "==" => Comparison::Equal,
                "!=" => Comparison::NotEqual,
                "=~" => Comparison::Like,
                "!~" => Comparison::NotLike,
                "<" => Comparison::Less,
                "<=" => Comparison::LessOrEqual,
                ">" => Comparison::Greater,
                ">=" => Comparison::GreaterOrEqual,
                _ => return if is_negated { Err(self.problem()) } else { Ok(left) },
            },
            Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "has" | "contains" => Comparison::Has,
                "startswith" => Comparison::StartsWith,
                "endswith" => Comparison::EndsWith,
                _ => return if is_negated { Err(self.problem()) } else { Ok(left) },
            },
            _ => return if is_negated { Err(self.problem()) } else { Ok(left) },
        };
        self.next += 1;
        let compared = Expression::Compare(Box::new(left), how, Box::new(self.value()?));
        Ok(if is_negated { Expression::Call(Function::Not, vec![compared]) } else { compared })
    }

    fn value(&mut self) -> Result<Expression, String> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        match token {
            Some(Token::Text(text)) => Ok(Expression::Literal(text.into())),
            Some(Token::Sign(sign)) if sign == "(" => {
                let inner = self.or()?;
                if self.takes_sign(")") { Ok(inner) } else { Err(self.problem()) }
            }
            Some(Token::Word(word)) => match (word.as_str(), word.parse::<i64>()) {
                ("true" | "false", _) => Ok(Expression::Literal((word == "true").into())),
                ("null", _) => Ok(Expression::Literal(Value::Null)),
                (_, Ok(number)) => Ok(Expression::Literal(number.into())),
                _ if self.tokens.get(self.next) == Some(&Token::Sign("(".to_owned())) => {
                    let function = Function::named(&word).ok_or_else(|| format!("no function of the lab: {word}"))?;
                    self.list().map(|arguments| Expression::Call(function, arguments))
                }
                _ => self.path(word),
            },
            _ => Err(self.problem()),
        }
    }

    /// `a.b['c'][0]` after its first name.
    fn path(&mut self, first: String) -> Result<Expression, String> {
        let mut path = vec![first];
        loop {
            if self.takes_sign(".") {
                path.push(self.name()?);
            } else if self.takes_sign("[") {
                path.push(self.name()?);
                if !self.takes_sign("]") {
                    return Err(self.problem());
                }
            } else {
                return Ok(Expression::Path(path));
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let found = match self.tokens.get(self.next) {
            Some(Token::Word(text) | Token::Text(text)) => text.clone(),
            _ => return Err(self.problem()),
        };
        self.next += 1;
        Ok(found)
    }

    fn list(&mut self) -> Result<Vec<Expression>, String> {
        if !self.takes_sign("(") {
            return Err(self.problem());
        }
        let mut values = vec![self.or()?];
        while self.takes_sign(",") {
            values.push(self.or()?);
        }
        if self.takes_sign(")") { Ok(values) } else { Err(self.problem()) }
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some(Token::Sign(next)) if next == sign);
        self.next += usize::from(found);
        found
    }

    fn problem(&self) -> String {
        format!("no expression that is understood: {}", self.text)
    }
}
