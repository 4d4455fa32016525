use proptest::prelude::*;

use super::*;

/// Returns the sections as `header: key=value, key={inner=value}`.
fn shown(text: &str) -> Vec<String> {
    let sections = parse(text.as_bytes()).unwrap_or_else(|violation| panic!("{text:?}: {violation:?}"));
    let entry = |entry: &Entry| match &entry.value {
        Value::Text(value) => format!("{}={}", entry.key, value.as_str()),
        Value::Block(lines) => {
            let lines: Vec<_> = lines.iter().map(|line| format!("{}={}", line.key, line.value.as_str())).collect();
            format!("{}={{{}}}", entry.key, lines.join(","))
        }
    };
    let section = |section: &RawSection| {
        format!("{}: {}", section.header, section.entries.iter().map(entry).collect::<Vec<_>>().join(", "))
    };
    sections.iter().map(section).collect()
}

fn rejected(text: impl AsRef<[u8]>, line: usize, word: &str) {
    let text = text.as_ref();
    let violation = parse(text).map(|_| ()).expect_err(&String::from_utf8_lossy(text));
    assert_eq!(violation.line, line, "{violation:?}");
    assert!(violation.rule.contains(word), "{violation:?}");
}

#[test]
fn reads_sections_and_keys() {
    assert_eq!(shown("[a]\nk = v\nl=w\n[b]\n[c d]\nm : x"), ["a: k=v, l=w", "b: ", "c d: m=x"]);
    assert!(shown("").is_empty());
    assert!(shown("\n \n# only comments\n").is_empty());
}

#[test]
fn key_names_are_case_insensitive() {
    assert_eq!(shown("[a]\nAWS_Access_Key_ID = v"), ["a: aws_access_key_id=v"]);
}

#[test]
fn first_equals_sign_or_colon_ends_the_key() {
    assert_eq!(
        shown("[a]\nk = a=b:c\nl: a=b\nurl=http://x:1/==\nm:=x"),
        ["a: k=a=b:c, l=a=b, url=http://x:1/==, m==x"]
    );
}

#[test]
fn values_are_trimmed_but_otherwise_literal() {
    assert_eq!(shown("[a]\nk = \t\"x\" 50%(y)s 'z' \\n $HOME \t"), ["a: k=\"x\" 50%(y)s 'z' \\n $HOME"]);
    assert_eq!(shown("[a]\nk =\u{a0}x\u{1f}\u{2003}"), ["a: k=x"]);
}

#[test]
fn ignores_comment_lines() {
    assert_eq!(
        shown("# 1\n; 2\n[a] # 3\n  # 4\nk = v\n\t; 5\nl = w\n#[b]\n[c] ; 6\nm =\n  # 7\n  n = 1\n  ; 8\n"),
        ["a: k=v, l=w", "c: m={n=1}"]
    );
}

#[test]
fn cuts_comment_behind_white_space() {
    assert_eq!(
        shown("[a]\nk = v # c\nl = v\t; c\nm = v#w;x\nn = # c\no =# v\np =\n  q = r # c\n  s = t#u\nw = 1\n  2 ; c\n"),
        ["a: k=v, l=v, m=v#w;x, n=, o=# v, p={q=r,s=t#u}, w=1\n2"]
    );
}

#[test]
fn ignores_text_behind_the_bracket() {
    assert_eq!(shown("[a] text\nk=v\n[b]=c\n[d]]\n"), ["a: k=v", "b: ", "d]: "]);
    assert_eq!(shown("[ a\t]\n[\"a b\"]"), [" a\t: ", "\"a b\": "], "the header is literal");
}

#[test]
fn deeper_indentation_continues_the_value() {
    assert_eq!(shown("[a]\nk = v\n  w\n\n\tx\nl = y\n"), ["a: k=v\nw\n\nx, l=y"]);
    assert_eq!(shown("[a]\n  k = v\n  l = w\n m = x\n  n = y"), ["a: k=v, l=w, m=x\nn = y"]);
    assert_eq!(shown("[a]\nk = v\n  [b]\nl = w"), ["a: k=v\n[b], l=w"], "a header too");
    assert_eq!(shown("[a]\n  k = v\n[b]\n  l = w"), ["a: k=v", "b: l=w"], "no value is open below a header");
}

#[test]
fn remembers_keys_that_became_part_of_a_value() {
    let sections = parse(b"[a]\nk = v\n  Secret = w\n  text\n\n  m: x\n").unwrap();
    let absorbed: Vec<_> = sections[0].entries[0].absorbed.iter().map(|key| (key.key.as_str(), key.line)).collect();
    assert_eq!(absorbed, [("secret", 3), ("m", 6)]);
}

#[test]
fn reads_blocks() {
    assert_eq!(
        shown("[a]\ns3 =\n  max = 20\n\n  Style = a=b\n  empty =\nk = v\nx =\n\n\ny =\n"),
        ["a: s3={max=20,Style=a=b,empty=}, k=v, x=, y="]
    );
    rejected("[a]\ns3 =\n  max = 20\n  nonsense\n", 4, "line 2");
    rejected("[a]\ns3 =\n  max: 20\n", 3, "no \"=\"");
    rejected("[a]\naws_secret_access_key =\n  hush-hush\nk = v", 3, "line 2");
}

#[test]
fn accepts_all_line_ends_and_a_byte_order_mark() {
    assert_eq!(shown("\u{feff}[a]\r\nk = v\r\n\r\n[b]\rl = w\r"), ["a: k=v", "b: l=w"]);
    rejected("[a]\r\nk = v\r\rnonsense\n", 4, "no \"=\"");
}

#[test]
fn rejects_duplicates_with_both_lines() {
    rejected("[a]\n[b]\n\n[a]\n", 4, "line 1");
    rejected("[a]\nk = 1\n[b]\nk = 1\nK = 2\n", 5, "line 4");
}

#[test]
fn ignores_upper_case_default_section() {
    assert_eq!(shown("[DEFAULT]\nk = v\n[default]\nl = w\n[DEFAULT]\nm = x\n"), ["default: l=w"]);
    rejected("[DEFAULT]\nk = v\nk = w\n", 3, "line 2");
}

#[test]
fn rejects_malformed_lines() {
    rejected("k = v\n[a]\n", 1, "before the first section");
    rejected("\n\n[a]\nkey\n", 4, "no \"=\"");
    rejected("[a\nk = v\n", 1, "not closed");
    rejected("[a]\n[b = c\n", 2, "not closed");
    rejected("[]\n", 1, "no name");
    rejected("[a]\n = v\n", 2, "no key");
    rejected("[a]\n: v\n", 2, "no key");
}

#[test]
fn rejects_other_encodings_than_utf8() {
    rejected(b"[a]\nk = v\n#\xff\n", 3, "UTF-8");
    rejected(b"\xff\xfe[\0a\0]\0", 1, "UTF-8");
    rejected(b"[a]\n\xc3", 2, "UTF-8");
}

#[test]
fn violations_contain_no_text_of_the_file() {
    for text in [
        "hush-hush = 1\n",
        "[a]\nhush-hush\n",
        "[a]\nhush-hush=\nhush-hush=\n",
        "[hush-hush\n",
        "[hush-hush]\n[hush-hush]\n",
        "[a]\nhush-hush =\n  hush-hush\n",
    ] {
        let violation = parse(text.as_bytes()).map(|_| ()).expect_err(text);
        assert!(!violation.rule.contains("hush"), "{violation:?}");
    }
}

proptest! {
    #[test]
    fn survives_any_bytes(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn survives_any_lines(text in "([\\[\\]=:#; \t\r\nkv\u{feff}\u{a0}é]|\\[a\\]\n|k = v\n|  w = x\n){0,60}") {
        if let Err(violation) = parse(text.as_bytes()) {
            prop_assert!(violation.line >= 1 && violation.line <= lines(&text).count());
        }
    }

    #[test]
    fn reads_back_what_was_written(keys in prop::collection::btree_map("[a-z_]{1,12}", "[!-\"$-:<-~]{1,20}", 0..8)) {
        let lines: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let sections = parse(format!("[a]\n{lines}").as_bytes()).unwrap();
        let entries: Vec<_> = sections[0].entries.iter().map(|entry| match &entry.value {
            Value::Text(value) => (entry.key.clone(), value.to_string()),
            Value::Block(_) => unreachable!("no line is indented"),
        }).collect();
        prop_assert_eq!(entries, keys.into_iter().collect::<Vec<_>>());
    }
}
