use super::body::{CHUNK_LINE_MAX, ERROR_BODY_MAX};
use super::*;
use crate::http::BODY_MAX;

const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// The result of the bytes of one connection.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    response: Option<String>,
    error: Option<String>,
    phase: Phase,
    start: u64,
    is_persistent: bool,
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut reader = ResponseReader::default();
    let error = pieces.into_iter().find_map(|piece| reader.push(piece).err());
    let is_complete = reader.phase() == Phase::Complete;
    Outcome {
        response: is_complete.then(|| String::from_utf8(reader.normalized().unwrap()).unwrap()),
        error: error.map(|error| match error {
            ParseError::Malformed(text) => text,
            ParseError::Memory(error) => error.to_string(),
        }),
        phase: reader.phase(),
        start: reader.start(),
        is_persistent: reader.is_persistent(),
    }
}

/// Reads the bytes in several splits and checks that the outcome is always the same.
#[track_caller]
fn outcome(bytes: impl AsRef<[u8]>) -> Outcome {
    let bytes = bytes.as_ref();
    let whole = read([bytes]);
    if bytes.len() < 2000 {
        for split in 1..bytes.len() {
            let (start, rest) = bytes.split_at(split);
            let halves = read([start, rest]);
            assert_eq!(halves.response, whole.response, "split at byte {split}");
            assert_eq!(halves.error.is_some(), whole.error.is_some(), "split at byte {split}");
            if whole.error.is_none() {
                assert_eq!(halves, whole, "split at byte {split}");
            }
        }
    }
    let single = read(bytes.chunks(1));
    assert_eq!(single.response, whole.response, "single bytes");
    assert_eq!(single.error.is_some(), whole.error.is_some(), "single bytes: {:?}", single.error);
    whole
}

#[track_caller]
fn response(bytes: impl AsRef<[u8]>) -> String {
    let outcome = outcome(bytes);
    assert_eq!(outcome.error, None);
    outcome.response.expect("incomplete")
}

#[track_caller]
fn error(bytes: impl AsRef<[u8]>) -> String {
    outcome(bytes).error.expect("no error")
}

#[test]
fn rejects_a_malformed_status_line_before_its_end() {
    for line in ["HTTP/1.1 551\u{ff}", "HTTP/1.1 2000", "HTTP/1.1 551\rx", "\nHTTP/1.1 551x"] {
        assert!(outcome(line).error.is_some(), "{line:?}");
    }
}

#[test]
fn reads_bodies_by_length_chunks_and_close() {
    let by_length = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\nhello";
    let normalized = "HTTP/1.1 200 \r\nA: b\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(response(by_length), normalized);
    let chunked = "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: Chunked\r\n\r\n\
                   2\r\nhe\r\n0003;name=\"a;b\"\r\nllo\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n";
    assert_eq!(response(chunked), normalized);
    assert!(outcome(by_length).is_persistent && outcome(chunked).is_persistent);

    let by_close = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello";
    let mut reader = ResponseReader::default();
    reader.push(by_close.as_bytes()).unwrap();
    assert_eq!(reader.phase(), Phase::Body);
    assert!(reader.end(true));
    assert_eq!(reader.normalized().unwrap(), normalized.as_bytes());
    assert!(!reader.is_persistent());
}

#[test]
fn reads_no_body_if_the_status_excludes_it() {
    for status in [204, 304] {
        for (header, is_persistent) in [
            ("Content-Length: 0\r\n", true),
            ("Content-Length: 5\r\n", false),
            ("Transfer-Encoding: chunked\r\n", false),
        ] {
            let bytes = format!("HTTP/1.1 {status} x\r\n{header}\r\n");
            assert_eq!(response(&bytes), format!("HTTP/1.1 {status} \r\n\r\n"));
            assert_eq!(outcome(&bytes).is_persistent, is_persistent, "a body may follow later: {header:?}");
            assert!(!outcome(bytes + "x").is_persistent, "bytes follow the response");
        }
    }
}

#[test]
fn skips_interim_responses() {
    let last = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let early_hints = format!("HTTP/1.1 103 Early Hints\r\nLink: <{}>\r\n\r\n", "x".repeat(5000));
    for interim in [
        "",
        INTERIM,
        "HTTP/1.0 100\r\n\r\n",
        "HTTP/1.1 102 Processing\r\nA: b\r\n c\r\n\r\nHTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\n",
        &INTERIM.repeat(8),
        &early_hints,
    ] {
        let outcome = outcome(format!("{interim}{last}"));
        assert_eq!(outcome.response.as_deref(), Some("HTTP/1.1 403 \r\ncontent-length: 0\r\n\r\n"), "{interim:?}");
        assert_eq!(outcome.start, interim.len() as u64);
        assert!(outcome.is_persistent);
    }
    assert_eq!(error(INTERIM.repeat(9)), "more than 8 interim responses were received");
    assert_eq!(outcome(INTERIM).phase, Phase::Waiting);
}

#[test]
fn knows_the_status_before_the_end_of_the_header_section() {
    for (bytes, status) in [
        ("HTTP/1.1 4", None),
        ("HTTP/1.1 403", Some(403)),
        ("HTTP/1.1 403 Forbid", Some(403)),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20", None),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204", Some(204)),
    ] {
        let mut reader = ResponseReader::default();
        reader.push(bytes.as_bytes()).unwrap();
        assert_eq!(reader.status(), status, "{bytes:?}");
    }
}

#[test]
fn unfolds_header_lines() {
    for folded in
        ["a:b\r\n\tc\r\n  d\r\n", "a: b  \r\n c  \r\n   \r\n \t d\r\n", "a:\r\n b c\r\n d\r\n", "a: b\n c\n d\n"]
    {
        let bytes = format!("HTTP/1.1 204 No Content\r\n{folded}X-Next: 1\r\n\r\n");
        assert_eq!(response(bytes), "HTTP/1.1 204 \r\na: b c d\r\nX-Next: 1\r\n\r\n", "{folded:?}");
    }
    let folded_length = "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok";
    assert_eq!(response(folded_length), "HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok");
}

#[test]
fn keeps_the_connection_only_if_the_response_allows_it() {
    for (head, is_persistent) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1", false),
    ] {
        let outcome = outcome(head);
        assert_eq!((outcome.phase, outcome.is_persistent), (Phase::Complete, is_persistent), "{head:?}");
    }
}

#[test]
fn accepts_a_truncated_response_only_if_its_body_is_optional() {
    for (bytes, is_usable) in [
        ("", false),
        ("HTTP/1.1 204 No Content\r\nA: b\r\n", false),
        ("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{", true),
        ("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        ("HTTP/1.1 403 Forbidden\r\n\r\nhalf of", true),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nhalf of", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\nhalf of", false),
    ] {
        let mut reader = ResponseReader::default();
        reader.push(bytes.as_bytes()).unwrap();
        assert_eq!(reader.end(false), is_usable, "{bytes:?}");
        assert!(!reader.is_persistent());
    }
}

#[test]
fn limits_everything_that_could_be_endless() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = "x".repeat(HEAD_MAX);
    assert!(error(format!("HTTP/1.1 200 OK\r\na: {long}")).contains("header section of the response is longer"));
    assert!(error(format!("{INTERIM}HTTP/1.1 103 {long}")).contains("header section of the response is longer"));
    assert!(error("\r\n".repeat(HEAD_MAX)).contains("header section of the response is longer"));
    assert!(error(format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101))).contains("100 header lines"));
    assert!(error(format!("{CHUNKED}1;{}", "x".repeat(CHUNK_LINE_MAX))).contains("chunk size line"));
    assert!(error(format!("{CHUNKED}0\r\n{}", "a: b\r\n".repeat(3000))).contains("trailer section"));
    assert!(error(format!("{CHUNKED}0\r\n{long}")).contains("trailer section"));
    let body = "x".repeat(BODY_MAX + 1);
    let head = "HTTP/1.1 200 OK\r\n";
    for bytes in [
        format!("{head}\r\n{body}"),
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("{CHUNKED}{:x}\r\n{body}", body.len()),
    ] {
        let outcome = read([bytes.as_bytes()]);
        assert!(outcome.error.unwrap().contains("longer than 1048576 bytes"));
    }
}

#[test]
fn truncates_an_error_body_at_its_limit() {
    let body = "x".repeat(ERROR_BODY_MAX);
    for head in ["", "Content-Length: 99999999999\r\n", "Transfer-Encoding: chunked\r\n"] {
        let chunk = if head.starts_with('T') { "fffffff\r\n" } else { "" };
        let bytes = format!("HTTP/1.1 500 Oops\r\n{head}\r\n{chunk}{body}");
        assert_eq!(read([bytes.as_bytes()]).phase, Phase::Body);
        let outcome = read([bytes.as_bytes(), b"x"]);
        assert!(outcome.response.unwrap().ends_with(&format!("content-length: 65536\r\n\r\n{body}")));
        assert!(!outcome.is_persistent);
    }
}

#[test]
fn rejects_different_lengths_and_accepts_equal_ones() {
    for same in ["Content-Length: 2\r\nContent-Length: 2\r\n", "Content-Length: 2, 02\r\n"] {
        assert!(response(format!("HTTP/1.1 200 OK\r\n{same}\r\nok")).ends_with("content-length: 2\r\n\r\nok"));
    }
    for status in [200, 201, 204, 403] {
        let twice = format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok");
        assert!(error(twice).contains("content-length twice"), "{status}");
    }
}

#[test]
fn length_of_a_response_without_a_body_has_no_effect() {
    for status in [204, 304] {
        for length in ["0", "5", "-1", "", "abc", "99999999999999999999"] {
            let outcome = outcome(format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n"));
            assert_eq!((outcome.error, outcome.phase), (None, Phase::Complete), "{status} {length:?}");
            assert_eq!(outcome.is_persistent, length == "0", "{status} {length:?}");
        }
    }
}

#[test]
fn rejects_numbers_with_other_characters_than_digits() {
    for length in ["+2", "-2", "0x2", "2 2", "", "99999999999999999999"] {
        let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nok");
        assert!(error(bytes).contains("is not a number"), "{length:?}");
    }
    for size in ["", "+2", "0x2", ";a", "x", "2\n", "10000000000000000"] {
        let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nok\r\n0\r\n\r\n");
        assert!(error(bytes).contains("chunk size line"), "{size:?}");
    }
}

#[test]
fn recognizes_a_tls_record() {
    let (alert, hello) = ([21, 3, 1, 0, 2, 2, 22], [22, 3, 3, 0, 90, 2]);
    for record in [alert.as_slice(), &hello] {
        for end in 1..record.len() {
            assert!(error(record.get(..end).unwrap()).contains("https://"), "{end}");
        }
    }
}

#[test]
fn rejects_bytes_that_are_not_http() {
    for bytes in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
    ] {
        error(bytes);
    }
    assert_eq!(
        error("\u{1b}[31m\r\n"),
        r#"the response is not HTTP: invalid HTTP version: "\x1b[31m""#,
        "text of the peer is escaped"
    );
}

/// RFC 2616 §3.6 names the absence of a coding. Since RFC 7230 it is no longer valid, so the connection is not used again.
#[test]
fn reads_the_transfer_coding_identity_as_no_coding() {
    for coding in ["identity", "Identity", ",identity ,"] {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n");
        let whole = outcome(format!("{head}ok"));
        assert_eq!(whole.response.as_deref(), Some("HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok"));
        assert!(!whole.is_persistent);
        assert_ne!(outcome(format!("{head}o")).phase, Phase::Complete);
    }
    let mut reader = ResponseReader::default();
    reader.push(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n2\r\nok\r\n0\r\n\r\n").unwrap();
    assert_eq!(reader.phase(), Phase::Body, "the body ends with the connection");
    assert!(reader.end(true));
    assert!(reader.normalized().unwrap().ends_with(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
    let empty = outcome("HTTP/1.1 204 x\r\nTransfer-Encoding: identity\r\n\r\n");
    assert_eq!((empty.phase, empty.is_persistent), (Phase::Complete, false));
    let lengths = "Content-Length: 1\r\nContent-Length: 2\r\n";
    error(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n{lengths}\r\nok"));
}

#[test]
fn rejects_an_unknown_coding_if_the_body_is_needed() {
    for (header, coding, text) in [
        ("Content-Encoding", "gzip", "the content coding \"gzip\", but the request accepts only identity"),
        ("Transfer-Encoding", "gzip", "the transfer coding \"gzip\", but only chunked, once, is supported"),
        (
            "Transfer-Encoding",
            "identity, chunked",
            "the transfer coding \"identity, chunked\", but only chunked, once, is supported",
        ),
        (
            "Transfer-Encoding",
            "chunked\r\nTransfer-Encoding: identity",
            "the transfer coding \"chunked, identity\", but only chunked, once, is supported",
        ),
        (
            "Transfer-Encoding",
            "gzip,chunked",
            "the transfer coding \"gzip, chunked\", but only chunked, once, is supported",
        ),
        (
            "Transfer-Encoding",
            "chunked\r\nTransfer-Encoding: chunked",
            "the transfer coding \"chunked, chunked\", but only chunked, once, is supported",
        ),
    ] {
        let message = error(format!("HTTP/1.1 200 OK\r\n{header}: {coding}\r\n\r\n"));
        assert_eq!(message, format!("the response has {text}"));
        let error = outcome(format!("HTTP/1.1 403 Forbidden\r\n{header}: {coding}\r\n\r\nx"));
        assert_eq!((error.error, error.phase), (None, Phase::Body));
    }
    response("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 0\r\n\r\n");
    response("HTTP/1.1 200 OK\r\nContent-Encoding:\r\nTransfer-Encoding: ,chunked ,\r\n\r\n0\r\n\r\n");
}
