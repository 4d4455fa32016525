//! Splitting of text into words as a shell does, without running one.

/// Splits text at white space. Quotes and backslashes work as in a POSIX shell: they keep white space, and an empty pair of
/// quotes is an empty word. No other character is special; in particular `#` begins no comment.
///
/// Returns `None` for an unclosed quote or a backslash at the end.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"'), '\\') => {
                let next = characters.next()?;
                // Inside double quotes, a backslash is literal except before these two.
                if !matches!(next, '"' | '\\') {
                    word.get_or_insert_default().push('\\');
                }
                word.get_or_insert_default().push(next);
            }
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().push(characters.next()?),
            (None, ' ' | '\t' | '\r' | '\n') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell() {
        for (text, expected) in [
            ("", &[] as &[&str]),
            ("  a\t b\r\nc ", &["a", "b", "c"]),
            (r#"profile "my work""#, &["profile", "my work"]),
            ("profile 'my \"w\" ork'", &["profile", "my \"w\" ork"]),
            (r#"a"b"'c'd"#, &["abcd"]),
            (r"a\ b \\ \'", &["a b", "\\", "'"]),
            (r#""a\"b\\c\d""#, &[r#"a"b\c\d"#]),
            (r"'a\b'", &[r"a\b"]),
            (r#"'' """#, &["", ""]),
            ("a # b;c", &["a", "#", "b;c"]),
            ("a\u{a0}b", &["a\u{a0}b"]),
        ] {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn rejects_unclosed_quotes_and_a_backslash_at_the_end() {
        for text in ["\"a", "a'", "a\\", "\"a\\", "'a\"", "\"a\\\""] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
