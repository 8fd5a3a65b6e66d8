//! Debian's package sources: finds where the machine's own release comes from, to write the backports suite beside it.
//! The mirror is the machine's; none is named here.

/// The deb822 stanza of `suite`'s backports, made from the stanza or line in `texts` that serves `suite` itself.
pub fn backports_stanza(texts: &[String], suite: &str) -> Option<String> {
    texts.iter().find_map(|text| from_deb822(text, suite).or_else(|| from_lines(text, suite)))
}

fn from_deb822(text: &str, suite: &str) -> Option<String> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let serves =
            |name: &str, word: &str| field(name).is_some_and(|value| value.split(' ').any(|w| w == word));
        let main = serves("Types", "deb") && serves("Suites", suite) && serves("Components", "main");
        main.then(|| stanza_text(field("URIs").unwrap_or_default(), suite, field("Signed-By")))
    })
}

fn from_lines(text: &str, suite: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let line = line.trim().strip_prefix("deb ")?.trim();
        let (options, rest) = match line.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None => ("", line),
        };
        let mut words = rest.split_whitespace();
        let uri = words.next()?;
        let serves = words.next()? == suite && words.any(|component| component == "main");
        let key = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        serves.then(|| stanza_text(uri, suite, key))
    })
}

fn stanza_text(uris: &str, suite: &str, signed_by: Option<&str>) -> String {
    let key = signed_by.map(|key| format!("Signed-By: {key}\n")).unwrap_or_default();
    format!("Types: deb\nURIs: {uris}\nSuites: {suite}-backports\nComponents: main\n{key}")
}

#[cfg(test)]
mod tests {
    use super::backports_stanza;

    #[test]
    fn deb822_source_is_followed() {
        let text = "Types: deb\n# a note\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\n\
                    Components: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://other.test\nSuites: nodistro\nComponents: main\n";
        let stanza = backports_stanza(&[text.to_string()], "bookworm");
        let expected = "Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm-backports\nComponents: main\nSigned-By: /k.gpg\n";
        assert_eq!(stanza.as_deref(), Some(expected));
    }

    #[test]
    fn one_line_source_is_followed() {
        let text = "deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm main contrib\n";
        let stanza = backports_stanza(&[text.to_string()], "bookworm").unwrap();
        assert!(stanza.contains("URIs: http://mirror.test/debian\nSuites: bookworm-backports\n"));
        assert!(stanza.contains("Signed-By: /k.gpg"));
    }

    #[test]
    fn other_suites_give_nothing() {
        assert_eq!(
            backports_stanza(&["deb http://mirror.test/debian trixie main\n".to_string()], "bookworm"),
            None
        );
    }
}
