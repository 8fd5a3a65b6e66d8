//! LIKE with a constant pattern.

use std::fmt;

use crate::error::{Error, Result};

/// A compiled pattern: `%` stands for any string, `_` for any one character, the escape character makes the next
/// one literal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LikePattern {
    source: String,
    escape: Option<char>,
    case_insensitive: bool,
    tokens: Vec<Token>,
}

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// `%`.
    Any,
    /// `_`.
    One,
    /// Characters to be matched as they are.
    Text(String),
}

impl LikePattern {
    /// Compiles `pattern`. SQL's usual escape character is `\`; none makes every character but `%` and `_` literal.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the pattern ends in the escape character.
    pub fn new(pattern: &str, escape: Option<char>, case_insensitive: bool) -> Result<Self> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let literal = if Some(c) == escape {
                chars
                    .next()
                    .ok_or_else(|| Error::invalid(format!("LIKE pattern '{pattern}' ends in its escape")))?
            } else if c == '%' {
                if tokens.last() != Some(&Token::Any) {
                    tokens.push(Token::Any);
                }
                continue;
            } else if c == '_' {
                tokens.push(Token::One);
                continue;
            } else {
                c
            };
            match tokens.last_mut() {
                Some(Token::Text(text)) => text.push(literal),
                _ => tokens.push(Token::Text(literal.to_string())),
            }
        }
        Ok(Self { source: pattern.to_owned(), escape, case_insensitive, tokens })
    }

    /// `ILIKE`.
    #[must_use]
    pub fn case_insensitive(&self) -> bool {
        self.case_insensitive
    }
}

/// The pattern as it was written, quoted, with its escape character where that is not `\`.
impl fmt::Display for LikePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.source.replace('\'', "''"))?;
        match self.escape {
            Some('\\') | None => Ok(()),
            Some(escape) => write!(f, " ESCAPE '{escape}'"),
        }
    }
}
