//! Tests of the journal format: round trips, torn tails, damage, and both versions.

use std::collections::BTreeMap;

use super::*;

/// A journal with every record. `sha256sum` computed its checksums.
pub(in crate::upload) const SAMPLE: &[u8] = include_bytes!("../../../../tests/data/journal-2.txt");
/// The same in version 1.
pub(in crate::upload) const SAMPLE_1: &[u8] = include_bytes!("../../../../tests/data/journal-1.txt");

const EVERY_BIT: [u8; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

pub(in crate::upload) fn header() -> Header {
    Header {
        endpoint: "https://glacier.us-east-1.amazonaws.com".to_owned(),
        region: "us-east-1".to_owned(),
        account_id: "-".to_owned(),
        vault: "photos".to_owned(),
        upload_id: "OW2fM5iVylEpFEMM9_HpKowRapC3vn5sSL39_396UW9zLFUWVrnRHaPjUJddQ5OxSHVXjYtrN47NBZ-khxOjyEXAMPLE"
            .to_owned(),
        part_size: 1 << 20,
        archive_size: Some((1 << 20) + 1),
        description: "two words".to_owned(),
        source: Some(Identity {
            device: 64_769,
            inode: u64::MAX,
            size: (1 << 20) + 1,
            modified_ns: 1_332_263_023_221_000_000,
            changed_ns: 1_332_263_023_222_000_000,
        }),
    }
}

pub(in crate::upload) fn entries() -> Vec<Record> {
    let (a, b) = (Digest([0xaa; 32]), Digest([0xbb; 32]));
    vec![
        Record::Part(PartRecord { index: 0, part: StoredPart { length: 1 << 20, tree: a }, trusted: true }),
        Record::Source(Identity { device: 1, inode: 7, size: (1 << 20) + 1, modified_ns: -1, changed_ns: 5 }),
        Record::Part(PartRecord { index: 0, part: StoredPart { length: 1 << 20, tree: a }, trusted: false }),
        Record::Part(PartRecord { index: 1, part: StoredPart { length: 1, tree: b }, trusted: true }),
        Record::Completing { size: (1 << 20) + 1, tree: a },
        Record::Rejected,
        Record::Completing { size: (1 << 20) + 1, tree: b },
        Record::Completed {
            archive_id: "NkbByEejwEggmBz2fTHgJrg0XBoDfjP4q6iu87-TjhqG6eGoOY9Z8i1_AUyUsuhPAdTqLHy8pTl5nfCFJmDl2yEZO\
                         Ni5L26Omw12vcs01MNGntHEQL8MBfGlqrEXAMPLEArchiveId"
                .to_owned(),
            location: "/111122223333/vaults/photos/archives/NkbByEejwEggmBz2fTHg".to_owned(),
            tree: b,
        },
        Record::Aborted,
    ]
}

/// Returns the replay of a journal with these records.
pub(in crate::upload) fn expected(header: Option<&Header>, entries: &[Record]) -> Replay {
    let since = |what: fn(&Record) -> bool| entries.iter().rposition(what).map_or(entries, |at| &entries[at + 1..]);
    let part = |record: &Record| if let Record::Part(record) = record { Some(*record) } else { None };
    let records: BTreeMap<_, _> = entries.iter().filter_map(part).map(|record| (record.index, record)).collect();
    let last: BTreeMap<_, _> = since(|record| matches!(record, Record::Source(_)))
        .iter()
        .filter_map(part)
        .map(|record| (record.index, record.trusted))
        .collect();
    Replay {
        version: Version::Two,
        header: header.cloned(),
        source: (entries.iter().rev())
            .find_map(|record| if let Record::Source(identity) = record { Some(*identity) } else { None })
            .or(header.and_then(|header| header.source)),
        parts: records.iter().map(|(index, record)| (*index, record.part)).collect(),
        trusted: last.iter().filter(|(_, trusted)| **trusted).map(|(index, _)| *index).collect(),
        completing: since(|record| *record == Record::Rejected).iter().rev().find_map(|record| match record {
            Record::Completing { size, tree } => Some((*size, *tree)),
            _ => None,
        }),
        end: entries.iter().rev().find_map(|record| match record.clone() {
            Record::Completed { archive_id, location, tree } => Some(Outcome::Completed { archive_id, location, tree }),
            Record::Aborted => Some(Outcome::Aborted),
            _ => None,
        }),
    }
}

/// Returns the replay of a version 1 journal with these records: without identity and trusted hashes.
pub(in crate::upload) fn expected_1(header: Option<&Header>, entries: &[Record]) -> Replay {
    let expected = expected(header, entries);
    let header = expected.header.map(|header| Header { source: None, ..header });
    Replay { version: Version::One, header, source: None, trusted: PartSet::default(), ..expected }
}

fn text(header: &Header, entries: &[Record]) -> Vec<u8> {
    text_of(Version::Two, header, entries)
}

fn text_of(version: Version, header: &Header, entries: &[Record]) -> Vec<u8> {
    let lines = entries.iter().map(|record| version.line_of_record(record).unwrap());
    let first = [version.first_line().to_vec(), version.line_of_header(header).unwrap()];
    first.into_iter().chain(lines).collect::<Vec<_>>().concat()
}

/// Returns a journal with the header of the sample, and lines with any JSON.
fn with_lines(lines: &[&str]) -> Vec<u8> {
    let mut text = text(&header(), &[]);
    for json in lines {
        text.extend(format!("{} {json}\n", checksum(json.as_bytes())).bytes());
    }
    text
}

fn refused(text: &[u8], words: &[&str]) {
    let error = read(text).expect_err("must be refused");
    assert_eq!(error.kind(), Kind::Journal);
    for word in words {
        assert!(error.message().contains(word), "{word:?} is not in {:?}", error.message());
    }
}

#[test]
fn writes_and_reads_the_text_of_version_2() {
    assert_eq!(String::from_utf8(text(&header(), &entries())).unwrap(), String::from_utf8_lossy(SAMPLE));
    assert_eq!(read(SAMPLE).unwrap(), (expected(Some(&header()), &entries()), SAMPLE.len()));
}

#[test]
fn reads_and_continues_version_1_and_trusts_none_of_its_hashes() {
    let entries: Vec<_> = entries().into_iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, one)| one).collect();
    assert_eq!(
        String::from_utf8(text_of(Version::One, &header(), &entries)).unwrap(),
        String::from_utf8_lossy(SAMPLE_1)
    );
    assert_eq!(read(SAMPLE_1).unwrap(), (expected_1(Some(&header()), &entries), SAMPLE_1.len()));
    let first = &SAMPLE_1[..version_1::FIRST.len()];
    assert_eq!(read(first).unwrap(), (Replay { version: Version::One, ..Replay::default() }, first.len()));
    assert_eq!(read(&first[..first.len() - 1]).unwrap(), (Replay::default(), 0), "torn");
}

#[test]
fn rejects_records_of_another_version() {
    let text = |version: Version, record: &[u8]| {
        [version.first_line(), &version.line_of_header(&header()).unwrap(), record].concat()
    };
    for record in &entries()[..3] {
        for (version, other) in [(Version::One, Version::Two), (Version::Two, Version::One)] {
            refused(&text(version, &other.line_of_record(record).unwrap()), &["line 3 is damaged"]);
        }
    }
    for (version, other) in [(Version::One, Version::Two), (Version::Two, Version::One)] {
        let text = [version.first_line(), &other.line_of_header(&header()).unwrap()].concat();
        refused(&text, &["line 2 is damaged"]);
    }
}

#[test]
fn round_trips_every_value() {
    for modified_ns in [i128::MIN, i128::MAX, 0, (1 << 53) + 1] {
        let identity =
            Identity { device: u64::MAX, inode: u64::MAX, size: u64::MAX, modified_ns, changed_ns: modified_ns };
        let strange = "\u{0}\n\r\" \\ \u{7f} \u{2028} \u{1f600} ".to_owned();
        let printable = "\" \\ \u{e9} \u{fffc} \u{1f600} ".to_owned();
        let header = Header {
            endpoint: strange.clone(),
            vault: strange.clone(),
            description: strange,
            archive_size: None,
            source: None,
            ..header()
        };
        let entries = [
            Record::Source(identity),
            Record::Part(PartRecord {
                index: 9_999,
                part: StoredPart { length: 1 << 20, tree: Digest([0xff; 32]) },
                trusted: true,
            }),
            Record::Completing { size: u64::MAX, tree: Digest([0; 32]) },
            Record::Completed { archive_id: printable.clone(), location: printable, tree: Digest([1; 32]) },
        ];
        let text = text(&header, &entries);
        assert_eq!(read(&text).unwrap(), (expected(Some(&header), &entries), text.len()));
    }
}

#[test]
fn replays_whole_lines_after_truncation() {
    let entries = entries();
    for cut in 0..=SAMPLE.len() {
        let whole = SAMPLE[..cut].iter().filter(|byte| **byte == b'\n').count();
        let header = (whole >= 2).then(header);
        let (replay, end) = read(&SAMPLE[..cut]).unwrap();
        assert_eq!(replay, expected(header.as_ref(), &entries[..whole.saturating_sub(2)]), "cut at {cut}");
        assert_eq!(SAMPLE[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1), end);
    }
}

#[test]
fn ignores_any_torn_tail() {
    let entries = &entries()[..3];
    let whole = text(&header(), entries);
    let line = line_of(&Record::<Identity, PartRecord>::Aborted).unwrap();
    let shifted: Vec<u8> = [b"x", line.as_slice()].concat();
    for tail in [&b"\n"[..], b"\n\n\n", &[0; 5000], b"\xff\xfe\n\xff", &line[..line.len() - 1], &line[1..]] {
        let text = [&whole, tail].concat();
        assert_eq!(read(&text).unwrap(), (expected(Some(&header()), entries), whole.len()), "{tail:?}");
        refused(&[&text, line.as_slice()].concat(), &["line 6 is damaged"]);
        refused(&[&text, shifted.as_slice()].concat(), &["line 6 is damaged"]);
    }
}

/// The first line is included.
#[test]
fn rejects_any_flipped_bit_before_the_last_record() {
    let last = SAMPLE[..SAMPLE.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for (at, bit) in (0..SAMPLE.len()).flat_map(|at| EVERY_BIT.map(|bit| (at, bit))) {
        let mut text = SAMPLE.to_vec();
        text[at] ^= bit;
        match read(&text) {
            Err(error) if at < last => assert_eq!(error.kind(), Kind::Journal, "{error}"),
            Ok(read) if at >= last => {
                let entries = &entries()[..entries().len() - 1];
                assert_eq!(read, (expected(Some(&header()), entries), last), "byte {at}, bit {bit}");
            }
            result => panic!("byte {at}, bit {bit}: {result:?}"),
        }
    }
}

#[test]
fn error_of_damage_names_line_and_upload() {
    let mut text = SAMPLE.to_vec();
    let sixth = SAMPLE.split_inclusive(|byte| *byte == b'\n').take(5).map(<[u8]>::len).sum::<usize>();
    text[sixth + 30] ^= 1;
    refused(&text, &["line 6 is damaged", "checksum", &header().upload_id, "vault photos"]);
    let mut text = SAMPLE.to_vec();
    text[FIRST.len() + 30] ^= 1;
    refused(&text, &["line 2 is damaged"]);
}

#[test]
fn rejects_records_out_of_order() {
    let part = |index: u32, length: u64| {
        let held = format!(r#"{{"length":{length},"tree":"{}"}}"#, "0".repeat(64));
        format!(r#"{{"part":{{"index":{index},"held":{held},"trusted":true}}}}"#)
    };
    read(&with_lines(&[&part(9_999, 1 << 20)])).unwrap();
    let completed = |archive_id: &str, location: &str| {
        let (archive_id, location) = (archive_id.to_owned(), location.to_owned());
        serde_json::to_string(&Record::<Identity, PartRecord>::Completed {
            archive_id,
            location,
            tree: Digest([0; 32]),
        })
        .unwrap()
    };
    read(&with_lines(&[&completed("a", "l")])).unwrap();
    let second_head = serde_json::to_string(&header()).unwrap();
    for (json, word) in [
        (second_head.as_str(), "endpoint"),
        (&part(10_000, 1 << 20), "part index 10000"),
        (&part(1, 0), "0 bytes"),
        (&part(1, (1 << 20) + 1), "1048577"),
        (r#"{"paused":{}}"#, "paused"),
        (r#""paused""#, "paused"),
        (r#"{"completing":{"size":1,"tree":"00"}}"#, "64 hexadecimal digits"),
        (r#"{"completing":{"size":-1,"tree":""}}"#, "-1"),
        (r#"{"source":{"size":1,"modified_ns":1,"inode":1}}"#, "device"),
        (r#"{"source":{"device":1,"inode":1,"size":1,"modified_ns":1,"changed_ns":1,"mode":1}}"#, "mode"),
        (&part(1, 1).replace(",\"trusted\":true", ""), "trusted"),
        (&part(1, 1).replace("\"index\"", "\"speed\":9,\"index\""), "speed"),
        (&part(1, 1).replace("\"length\"", "\"speed\":9,\"length\""), "speed"),
        ("", "EOF"),
        ("\"refused\" \"refused\"", "trailing"),
        (&completed("a\u{1b}[2J", "l"), r#"archive ID "a\x1b[2J""#),
        (&completed("", "l"), "archive ID is empty"),
        (&completed("a", ""), "location is empty"),
        (&completed("a\u{3164}", "l"), r#"archive ID "a\u{3164}""#),
        (&completed("a", "l\u{202e}"), r#"location "l\u{202e}""#),
    ] {
        // The last line included: a record with the right checksum was written as a whole.
        refused(&with_lines(&[&part(0, 1), json]), &["line 4 is damaged", word]);
        refused(&with_lines(&[&part(0, 1), json, "\"refused\""]), &["line 4 is damaged", word]);
    }
}

#[test]
fn rejects_invalid_headers() {
    let record = line_of(&Record::<Identity, PartRecord>::Rejected).unwrap();
    refused(&[FIRST, record.as_slice()].concat(), &["line 2 is damaged"]);
    for (header, word) in [
        (Header { part_size: 3, ..header() }, "part size 3"),
        (Header { part_size: 0, archive_size: None, ..header() }, "part size 0"),
        (Header { upload_id: String::new(), ..header() }, "upload ID"),
        (Header { archive_size: Some(0), ..header() }, "0 bytes"),
        (Header { archive_size: Some(10_000 * (1 << 20) + 1), ..header() }, "10001 parts"),
    ] {
        refused(&text(&header, &[]), &["line 2 is damaged", word]);
    }
    let json = serde_json::to_string(&header()).unwrap().replacen('{', "{\"storage_class\":1,", 1);
    let line = format!("{} {json}\n", checksum(json.as_bytes()));
    refused(&[FIRST, line.as_bytes()].concat(), &["line 2 is damaged", "storage_class"]);
}

#[test]
fn rejects_other_files_and_later_versions() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let json = br#"{"upload_id":"x","parts":[]}"#;
    let almost = [&b"glacier_mp journal\n"[..], b"glacier_mp journal 2 \n", b"glacier_mp journal 2\r\n"];
    for text in [&b"x"[..], b"\n", b"a text\nof two lines\n", png, json, &[0; 21]].into_iter().chain(almost) {
        refused(text, &["not a journal of glacier_mp", "not overwritten"]);
    }
    for text in [&b"glacier_mp journal 3\n"[..], b"glacier_mp journal 3"] {
        refused(text, &["version 3", "versions 1 and 2", "not overwritten"]);
    }
    refused(b"glacier_mp journal 10\nwhatever", &["version 10"]);
}

#[test]
fn rejects_record_longer_than_the_library_writes() {
    let line = |length: usize| {
        let json = format!(
            r#"{{"completed":{{"archive_id":"{}","location":"l","tree":"{}"}}}}"#,
            "a".repeat(length),
            Digest([7; 32])
        );
        let line = format!("{} {json}\n", checksum(json.as_bytes()));
        [FIRST, &line_of(&header()).unwrap(), line.as_bytes()].concat()
    };
    let rest = line(1).len() - 1 - FIRST.len() - line_of(&header()).unwrap().len() - CHECKSUM - 2;
    read(&line(RECORD_MAX - rest)).unwrap();
    let long = RECORD_MAX - rest + 1;
    refused(&line(long), &["line 3 is damaged", &(RECORD_MAX + 1).to_string(), &RECORD_MAX.to_string()]);
    let torn = line(long);
    let (_, end) = read(&torn[..torn.len() - 1]).unwrap();
    assert_eq!(end, FIRST.len() + line_of(&header()).unwrap().len(), "a torn tail may have any length");
}

#[test]
fn longest_records_can_be_read() {
    let header = Header {
        endpoint: format!("https://{}:65535", "h".repeat(255)),
        region: "r".repeat(1024),
        upload_id: "\"".repeat(1024),
        description: "\"".repeat(1024),
        ..header()
    };
    // The two texts are in the head of one response, which has at most 32 KiB.
    let texts = "\"".repeat(32 << 10);
    let completed = Record::Completed { archive_id: texts, location: "\"".to_owned(), tree: Digest([7; 32]) };
    let (replay, _) = read(&text(&header, &[completed])).unwrap();
    assert!(replay.end.is_some());
}
