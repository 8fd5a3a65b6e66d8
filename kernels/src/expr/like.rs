//! LIKE with a constant pattern.
//!
//! A pattern is cut at its `%` into segments, each of which matches a fixed number of characters. The first segment is
//! anchored at the start and the last at the end of the string; each one between matches at the first place that it can, which is
//! right because what follows only gains from an earlier place. Segments without `_` are searched for as substrings.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;

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

    /// The pattern as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The escape character.
    #[must_use]
    pub fn escape(&self) -> Option<char> {
        self.escape
    }

    /// `ILIKE`.
    #[must_use]
    pub fn case_insensitive(&self) -> bool {
        self.case_insensitive
    }

    /// The text that every match begins with, and what may follow it; none where case does not matter.
    ///
    /// ```
    /// use pilaster_kernels::expr::like::{LikePattern, Rest};
    ///
    /// let pattern = LikePattern::new("PROMO%", None, false)?;
    /// let prefix = pattern.prefix().expect("case matters");
    /// assert_eq!((prefix.text, prefix.rest), ("PROMO", Rest::Anything));
    /// # Ok::<(), pilaster_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn prefix(&self) -> Option<Prefix<'_>> {
        if self.case_insensitive {
            return None;
        }
        let (text, rest) = match self.tokens.as_slice() {
            [Token::Text(text), rest @ ..] => (text.as_str(), rest),
            rest => ("", rest),
        };
        let rest = match rest {
            [] => Rest::Nothing,
            [Token::Any] => Rest::Anything,
            _ => Rest::Something,
        };
        Some(Prefix { text, rest })
    }
}

/// How the matches of a pattern begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix<'a> {
    /// Every match begins with it.
    pub text: &'a str,
    /// What follows.
    pub rest: Rest,
}

/// What may follow the prefix of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: the prefix is the one match.
    Nothing,
    /// Anything: every string with the prefix matches.
    Anything,
    /// What the rest of the pattern says.
    Something,
}

impl LikePattern {
    /// True where `text` matches the pattern. A matcher made once per batch is cheaper, see the CPU evaluator.
    ///
    /// ```
    /// use pilaster_kernels::expr::like::LikePattern;
    ///
    /// let pattern = LikePattern::new("f_o%", Some('\\'), false)?;
    /// assert!(pattern.matches("f\u{f6}o bar"));
    /// assert!(!pattern.matches("foo".to_uppercase().as_str()));
    /// # Ok::<(), pilaster_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.matcher().matches(text)
    }

    pub(crate) fn matcher(&self) -> Matcher {
        let mut segments = vec![Vec::new()];
        for token in &self.tokens {
            match token {
                Token::Any => segments.push(Vec::new()),
                Token::Text(text) if self.case_insensitive => {
                    push(&mut segments, Token::Text(text.to_lowercase()))
                }
                other => push(&mut segments, other.clone()),
            }
        }
        let mut segments: Vec<Segment> = segments.into_iter().map(Segment::new).collect();
        let last = if segments.len() > 1 { segments.pop() } else { None };
        let first = segments.remove(0);
        segments.retain(|segment| !segment.tokens.is_empty());
        Matcher { fold_case: self.case_insensitive, first, between: segments, last }
    }
}

fn push(segments: &mut [Vec<Token>], token: Token) {
    if let Some(segment) = segments.last_mut() {
        segment.push(token);
    }
}

/// A pattern made ready to match many strings.
pub(crate) struct Matcher {
    fold_case: bool,
    first: Segment,
    between: Vec<Segment>,
    /// None where the pattern has no `%`: then the first segment must match the whole string.
    last: Option<Segment>,
}

/// Tokens without `%`.
struct Segment {
    tokens: Vec<Token>,
    chars: usize,
    /// Where the segment is plain text.
    finder: Option<memmem::Finder<'static>>,
}

impl Segment {
    fn new(tokens: Vec<Token>) -> Self {
        let chars = tokens
            .iter()
            .map(|token| match token {
                Token::Text(text) => text.chars().count(),
                _ => 1,
            })
            .sum();
        let finder = match tokens.as_slice() {
            [Token::Text(text)] => Some(memmem::Finder::new(text.as_bytes()).into_owned()),
            _ => None,
        };
        Self { tokens, chars, finder }
    }

    /// Bytes of `text` that the segment takes at its start, if it matches there.
    fn at_start(&self, text: &str) -> Option<usize> {
        let mut rest = text;
        for token in &self.tokens {
            rest = match token {
                Token::Text(literal) => rest.strip_prefix(literal.as_str())?,
                _ => {
                    let mut chars = rest.chars();
                    chars.next()?;
                    chars.as_str()
                }
            };
        }
        Some(text.len() - rest.len())
    }

    /// End of the first match in `text`.
    fn find(&self, text: &str) -> Option<usize> {
        if let Some(finder) = &self.finder {
            return finder.find(text.as_bytes()).map(|start| start + finder.needle().len());
        }
        let mut starts = text.char_indices().map(|(start, _)| start);
        starts.find_map(|start| Some(start + self.at_start(&text[start..])?))
    }

    fn at_end(&self, text: &str) -> bool {
        if let Some(finder) = &self.finder {
            return text.as_bytes().ends_with(finder.needle());
        }
        let start = match self.chars {
            0 => return true,
            chars => text.char_indices().rev().nth(chars - 1).map(|(start, _)| start),
        };
        start.is_some_and(|start| self.at_start(&text[start..]).is_some())
    }
}

impl Matcher {
    pub(crate) fn matches(&self, text: &str) -> bool {
        let folded = if self.fold_case { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) };
        let mut rest: &str = &folded;
        let Some(taken) = self.first.at_start(rest) else { return false };
        rest = &rest[taken..];
        let Some(last) = &self.last else { return rest.is_empty() };
        for segment in &self.between {
            let Some(end) = segment.find(rest) else { return false };
            rest = &rest[end..];
        }
        last.at_end(rest)
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
