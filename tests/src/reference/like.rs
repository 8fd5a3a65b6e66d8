//! LIKE by trying everything.

/// One piece of a pattern.
enum Piece {
    Any,
    One,
    Char(char),
}

/// True where `text` matches `pattern`.
pub(super) fn like(text: &str, pattern: &str, escape: Option<char>, fold_case: bool) -> bool {
    let fold = |text: &str| if fold_case { text.to_lowercase() } else { text.to_owned() };
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            let literal = chars.next().expect("the pattern does not end in its escape");
            pieces.extend(fold(&literal.to_string()).chars().map(Piece::Char));
        } else if c == '%' {
            pieces.push(Piece::Any);
        } else if c == '_' {
            pieces.push(Piece::One);
        } else {
            pieces.extend(fold(&c.to_string()).chars().map(Piece::Char));
        }
    }
    let text: Vec<char> = fold(text).chars().collect();
    matches(&text, &pieces)
}

fn matches(text: &[char], pieces: &[Piece]) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Any, rest @ ..] => (0..=text.len()).any(|from| matches(&text[from..], rest)),
        [Piece::One, rest @ ..] => !text.is_empty() && matches(&text[1..], rest),
        [Piece::Char(c), rest @ ..] => text.first() == Some(c) && matches(&text[1..], rest),
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns() {
        assert!(like("foobar", "f_o%r", Some('\\'), false));
        assert!(!like("foobar", "f_o%x", Some('\\'), false));
        assert!(like("100%", "100\\%", Some('\\'), false));
        assert!(!like("1000", "100\\%", Some('\\'), false));
        assert!(like("Foo", "fO_", None, true));
        assert!(like("", "%", None, false) && !like("", "_", None, false));
    }
}
