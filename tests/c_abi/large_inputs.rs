//! Large inputs while the address space is nearly full: each call returns a result, and the process does not abort.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::harness::{Build, Outcome, Program, run};

/// An endpoint that no test sends anything to.
const ENDPOINT: &str = "http://127.0.0.1:9";

struct Fixture {
    program: Program,
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { program: Program::c("tests/c/large_inputs.c", Build::Plain), directory }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Makes a call while the address space can grow by `mib` MiB.
    fn call(&self, call: &str, mib: usize, input: &str, config: &str) -> Outcome {
        let mut command = self.program.command();
        command.args([call, &(mib << 10).to_string(), input]).env("AWS_CONFIG_FILE", config);
        command.env("AWS_REGION", "us-east-1").env("AWS_ENDPOINT_URL", ENDPOINT);
        command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_SECRET_ACCESS_KEY", "secret");
        let outcome = run(&mut command);
        assert!(outcome.status.success(), "{call} with {mib} MiB: {outcome:?}");
        outcome
    }
}

#[test]
fn combines_hashes_that_could_not_be_copied() {
    let outcome = Fixture::new().call("combine", 16, "2000000", "");
    assert_eq!(outcome.value("result"), "GLACIER_OK");
}

#[test]
fn config_file_that_does_not_fit_is_memory_error() {
    let fixture = Fixture::new();
    let keys = (0..200_000).fold("[default]\n".to_owned(), |text, key| text + &format!("k{key}=\n"));
    let sections = (0..100_000).fold(String::new(), |text, name| text + &format!("[profile p{name}]\nk=v\n"));
    let lines = "[default]\nk = v\n".to_owned() + &" v\n".repeat(500_000);
    let block = "[default]\nk =\n".to_owned() + &" k=\n".repeat(400_000);
    let value = "[default]\nk = ".to_owned() + &"v".repeat(1_900_000);
    for (name, text) in [("keys", keys), ("sections", sections), ("lines", lines), ("block", block), ("value", value)] {
        let path = fixture.file(name, &text);
        for mib in [4, 8, 16, 64, 512] {
            let outcome = fixture.call("client", mib, "", path.to_str().unwrap());
            let result = outcome.value("result");
            assert!(mib > 4 || result == "GLACIER_E_MEMORY", "{name}: {outcome:?}");
            assert!(["GLACIER_OK", "GLACIER_E_MEMORY"].contains(&result), "{name}: {outcome:?}");
            assert!(mib < 512 || result == "GLACIER_OK", "{name}: {outcome:?}");
        }
    }
}

#[test]
fn ca_file_that_does_not_fit_is_memory_error() {
    let fixture = Fixture::new();
    let small = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".repeat(280_000);
    let large = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", "M".repeat(16_000_000));
    for (name, pem) in [("small", small), ("large", large)] {
        let path = fixture.file(name, &pem);
        for mib in [18, 24, 32, 48, 64, 80, 256] {
            let outcome = fixture.call("client", mib, path.to_str().unwrap(), "");
            let expected =
                if mib == 256 { &["GLACIER_E_INVALID"][..] } else { &["GLACIER_E_INVALID", "GLACIER_E_MEMORY"] };
            assert!(expected.contains(&outcome.value("result")), "{name}: {outcome:?}");
        }
    }
}

#[test]
fn journal_that_does_not_fit_is_memory_error() {
    let fixture = Fixture::new();
    let parts: Vec<_> = (0..10_000).map(part).collect();
    let journal = fixture.file("journal", journal(&parts));
    let mut results = Vec::new();
    for mib in (3..=12).chain([32]) {
        let outcome = fixture.call("journal", mib, journal.to_str().unwrap(), "");
        results.push(outcome.value("result").to_owned());
    }
    // The journal records the end of the upload, so nothing is sent.
    assert_eq!(results.last().unwrap(), "GLACIER_E_STATE", "{results:?}");
    assert!(results.iter().all(|result| ["GLACIER_E_MEMORY", "GLACIER_E_STATE"].contains(&&**result)), "{results:?}");
}

#[test]
fn journal_with_huge_record_is_damaged() {
    let fixture = Fixture::new();
    let record =
        format!(r#"{{"completed":{{"archive_id":"{}","location":"","tree":""}}}}"#, "a".repeat(20_000_000) + "\\n");
    let journal = fixture.file("journal", journal(&[record]));
    for mib in [24, 32, 48, 64, 128] {
        let outcome = fixture.call("journal", mib, journal.to_str().unwrap(), "");
        let expected = ["GLACIER_E_JOURNAL", "GLACIER_E_MEMORY"];
        assert!(expected.contains(&outcome.value("result")), "{outcome:?}");
        assert!(mib < 128 || outcome.value("message").contains("line 3 is damaged"), "{outcome:?}");
    }
}

/// Returns a journal of an aborted upload with these records.
fn journal(records: &[String]) -> String {
    let header = format!(
        r#"{{"endpoint":"{ENDPOINT}","region":"us-east-1","account_id":"-","vault":"examplevault",
         "upload_id":"id","part_size":1048576,"archive_size":null,"description":"","source":null}}"#
    )
    .replace("\n         ", "");
    let end = r#""aborted""#.to_owned();
    let records = [&[header], records, &[end]].concat();
    let line = |json: &String| format!("{} {json}\n", hex::encode(&Sha256::digest(json)[..8]));
    records.iter().fold("glacier_mp journal 2\n".to_owned(), |text, json| text + &line(json))
}

fn part(index: u32) -> String {
    let tree = "ab".repeat(32);
    format!(r#"{{"part":{{"index":{index},"held":{{"length":1048576,"tree":"{tree}"}},"trusted":true}}}}"#)
}
