use proptest::prelude::*;

use super::*;

const TOKEN: &str = "IQoJb3JpZ2luX2VjEHwaCXVz/LWVhc3QtMSJH+MEUCIQDeadBeef0123456789==";

fn redactor() -> Redactor {
    let redactor = Redactor::default();
    redactor.add(TOKEN);
    redactor
}

#[test]
fn escapes_control_and_format_characters() {
    for (text, expected) in [
        ("plain text, \"quoted\" 'and' C:\\dir", "plain text, \"quoted\" 'and' C:\\dir"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x1b[31mred\x07\0\x7f", "\\x1b[31mred\\x07\\x00\\x7f"),
        ("\u{85}\u{9b}", "\\u{85}\\u{9b}"),
        ("a\u{a0}\u{2003}\u{3000}", "a\\u{a0}\\u{2003}\\u{3000}"),
        ("\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{2028}", "\\u{202e}txt.exe\\u{2066}\\u{200b}\\u{feff}\\u{2028}"),
        ("\u{3164}\u{34f}\u{2800}\u{fffe}", "\\u{3164}\\u{34f}\\u{2800}\\u{fffe}"),
        ("Größe 大 e\u{301}", "Größe 大 e\u{301}"),
    ] {
        assert_eq!(escaped(text, TEXT_MAX), expected);
    }
    assert_eq!(quoted("a\"b\\c\x1b"), r#""a\"b\\c\x1b""#);
}

#[test]
fn truncates_long_text_between_characters() {
    assert_eq!(escaped("ééé", 3), "ééé");
    assert_eq!(escaped("éééé", 3), "ééé... (8 bytes)");
    assert_eq!(quoted(&"é".repeat(81)), format!("\"{}\"... (162 bytes)", "é".repeat(80)));
}

/// A redactor does not find fewer characters of a secret.
#[test]
fn quotes_no_start_of_a_cut_word_that_is_too_short_to_be_redacted() {
    for before in ["key ", "key=", "key:\"", "key: '", "a,", "a;", "<key>"] {
        let before = format!("{}{before}", "x".repeat(50));
        for length in 0..=20 {
            let text = format!("{}{before}{}", "é".repeat(80 - before.len() - length), "Z".repeat(length + 1));
            let is_shown = quoted(&text).contains('Z');
            assert_eq!(is_shown, length >= ECHO_MIN, "{length}: {text}");
        }
        let whole = format!("{}{before}{}", "é".repeat(80 - before.len() - 8), "Z".repeat(8));
        assert!(quoted(&whole).contains("ZZZZZZZZ"), "{whole}");
        assert!(quoted(&format!("{whole} more")).contains("ZZZZZZZZ"), "{whole}");
    }
}

#[test]
fn redacts_whole_and_partial_echoes() {
    let redactor = redactor();
    for (text, expected) in [
        (format!("token {TOKEN}."), "token [redacted].".to_owned()),
        (format!("{TOKEN}{TOKEN}"), "[redacted]".to_owned()),
        (format!("x {} y", &TOKEN[20..36]), "x [redacted] y".to_owned()),
        (format!("x {} y", &TOKEN[20..35]), format!("x {} y", &TOKEN[20..35])),
        (format!("über {}", &TOKEN[3..]), "über [redacted]".to_owned()),
        (TOKEN.to_lowercase(), "[redacted]".to_owned()),
        ("InvalidSignatureException: no".to_owned(), "InvalidSignatureException: no".to_owned()),
    ] {
        assert_eq!(redactor.redacted(&text), expected, "{text}");
    }
}

#[test]
fn redacts_encoded_echoes() {
    let redactor = redactor();
    let once = TOKEN.replace('/', "%2F").replace('+', "%2b").replace('=', "%3D");
    let all: String = TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for text in [
        once.clone(),
        once.replace('%', "%25"),
        once.replace('%', "%2525"),
        all,
        TOKEN.replace('/', "\\/"),
        TOKEN.replace('/', "\\u002f"),
        TOKEN.replace('/', "&#x2F;").replace('+', "&#43;"),
        TOKEN.as_bytes().chunks(8).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\r\n "),
    ] {
        assert_eq!(redactor.redacted(&format!("<{text}>")), "<[redacted]>", "{text}");
    }
}

#[test]
fn redacts_echoes_in_base64_and_hexadecimal_digits() {
    let redactor = redactor();
    let hidden = |text: &str, secret: &str| {
        let shown = redactor.redacted(text);
        // The first and the last characters of an encoded echo can depend on what surrounds it.
        let left = shown.replace(REDACTED, "");
        assert!(shown.contains(REDACTED) && left.len() < 90, "{secret}: {shown}");
    };
    for before in ["", "a", "ab", "POST\n/-/vaults\n"] {
        let echo = format!("{before}{TOKEN}\n");
        hidden(&base64::engine::general_purpose::STANDARD.encode(&echo), "base64");
        hidden(&base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&echo), "base64url");
        hidden(&hex::encode(&echo), "hex");
    }
    let bytes: Vec<_> = TOKEN.bytes().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(redactor.redacted(&bytes.join(" ")), REDACTED);
    assert_eq!(redactor.redacted(&hex::encode(&TOKEN[20..36])), REDACTED);
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(redactor.redacted(digest), digest);
}

#[test]
fn redacts_echoes_that_were_escaped_before() {
    let redactor = redactor();
    for separator in ["\r\n ", "\t", "\0", "\x1b", "\u{200b}", "\u{202e}", "\u{3164}", "\u{10ffff}"] {
        let lines: Vec<_> = TOKEN.as_bytes().chunks(8).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let text = lines.join(separator);
        assert_eq!(redactor.redacted(&text), REDACTED, "{text:?}");
        assert_eq!(redactor.redacted(&escaped(&text, TEXT_MAX)), REDACTED, "{text:?}");
    }
    let password = Redactor::default();
    password.add("p<&>\"ssword");
    assert_eq!(password.redacted("p&lt;&amp;&gt;&quot;ssword"), REDACTED);
}

#[test]
fn redacts_echoes_with_combining_marks_and_in_full_width() {
    let redactor = redactor();
    let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
    let full_width: String = TOKEN.chars().map(wide).collect();
    assert_eq!(redactor.redacted(&full_width), REDACTED);
    for mark in ["\u{301}", "\u{36f}", "\u{1ab0}", "\u{1dff}", "\u{20d0}", "\u{fe2f}"] {
        let text: Vec<_> = TOKEN.split("").collect();
        let text = text.join(mark);
        assert_eq!(redactor.redacted(&text).replace(mark, ""), REDACTED, "{text}");
    }
    let accented = Redactor::default();
    accented.add("pa\u{301}sswo\u{308}rd");
    assert_eq!(accented.redacted("pa\u{301}sswo\u{308}rd"), REDACTED);
    for secret in
        ["pa\u{308}ssword9", "p\u{e4}ssword9", "pa\u{308}sswo\u{308}rd\u{e9}", "\u{ff50}assword9", "p\u{1f600}assword"]
    {
        let redactor = Redactor::default();
        redactor.add(secret);
        let percent = crate::percent::encode(secret.as_bytes());
        let json: Vec<_> = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        for echo in [
            secret.to_owned(),
            percent.replace('%', "%25"),
            percent.replace('%', "\\x"),
            percent,
            json.concat(),
            secret.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
            secret.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect(),
            secret.chars().map(|c| format!("\\u{{{:x}}}", u32::from(c))).collect(),
        ] {
            assert_eq!(redactor.redacted(&format!("<{echo}>")), "<[redacted]>", "{echo}");
        }
    }
    for text in ["ｇｌａｃｉｅｒ", "e\u{301}e\u{301}"] {
        assert_eq!(redactor.redacted(text), text);
    }
}

#[test]
fn encodes_whole_groups_of_three_bytes_in_base64() {
    for (bytes, expected) in [("", ""), ("ab", ""), ("abc", "YWJj"), ("abcde", "YWJj"), ("abc\u{3ff}~", "YWJjz79+")] {
        assert_eq!(*base64_without_ends(bytes.as_bytes()), expected.as_bytes());
    }
}

#[test]
fn redacts_echoes_that_look_encoded_in_part() {
    let redactor = redactor();
    let echo = TOKEN.get(44..60).unwrap();
    for before in ["%", "%25", "&#", "\\u00"] {
        let text = format!("{before}{echo}");
        assert!(!redactor.redacted(&text).contains(echo), "{text}");
    }
    let encoded_secret = Redactor::default();
    encoded_secret.add("secret%2Fwith%2Fencoding");
    assert_eq!(encoded_secret.redacted("<secret%2Fwith%2Fencoding>"), "<[redacted]>");
    assert_eq!(encoded_secret.redacted("<secret/with/encoding>"), "<[redacted]>");
}

#[test]
fn redacts_short_secrets_only_as_a_whole() {
    let redactor = Redactor::default();
    redactor.add("short-secret");
    redactor.add("key");
    assert_eq!(redactor.redacted("a short-secret key"), "a [redacted] key");
    assert_eq!(redactor.redacted("a short-secre"), "a short-secre");
}

#[test]
fn keeps_replaced_secrets_up_to_the_maximum() {
    let redactor = redactor();
    for number in 0..SECRETS_MAX - 1 {
        redactor.add(&format!("secret-{number:020}"));
    }
    assert!(redactor.contains_secret(TOKEN));
    redactor.add("the-last-of-them");
    assert!(!redactor.contains_secret(TOKEN));
    assert!(redactor.contains_secret("the-last-of-them"));
}

#[test]
fn bounds_the_searched_length() {
    let redactor = redactor();
    let text = "é".repeat(10 << 20) + TOKEN;
    assert!(redactor.redacted(&text).len() <= SEARCHED_MAX);
}

proptest! {
    #[test]
    fn never_shows_16_characters_of_a_secret(before in "\\PC{0,40}", start in 0usize..48, after in "\\PC{0,40}") {
        let echo = &TOKEN[start..start + 16];
        let shown = redactor().sanitized(&format!("{before}{echo}{after}"), TEXT_MAX);
        prop_assert!(!shown.contains(echo));
    }

    #[test]
    fn escaping_is_idempotent_and_leaves_one_line(text in any::<String>()) {
        let shown = escaped(&text, TEXT_MAX);
        prop_assert!(!shown.chars().any(char::is_control));
        prop_assert_eq!(escaped(&shown, usize::MAX), shown.clone());
        let _ = redactor().redacted(&text);
    }
}
