//! Storage of bytes or hashes, concurrent connections, and the admin paths.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use client::{Client, MIB, Request, data, start_with, tree_hash};
use glacier_emulator::{Action, Emulator, Fault, Options, Storage};

/// A directory that is removed at the end of the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("glacier-emulator-test-{}-{number}", std::process::id())))
    }

    fn options(&self) -> Options {
        Options { storage: Storage::Disk(self.0.clone()), ..Options::default() }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn start_rejects_options_that_the_service_does_not_have() {
    for (options, message) in [
        (Options { page_max: 0, ..Options::default() }, "0 entries on a page are outside the limits"),
        (Options { page_max: 51, ..Options::default() }, "51 entries on a page are outside the limits"),
        (Options { account: "1".to_owned(), ..Options::default() }, "1 is no account ID"),
        (Options { vaults: vec!["a/b".to_owned()], ..Options::default() }, "a/b is no vault name"),
        (Options { vaults: vec![String::new()], ..Options::default() }, "\"\" is no vault name"),
        (Options { storage: Storage::Disk(PathBuf::new()), ..Options::default() }, "\"\" is no directory"),
    ] {
        let Err(error) = Emulator::start(options) else { panic!("started with an invalid option: {message}") };
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

/// Values that no client accepts, or that the parts of a signature cannot have.
#[test]
fn start_rejects_region_and_keys_that_no_client_accepts() {
    let long = "a".repeat(64);
    for region in ["", "a b", "us-east-1 ", "a/b", "-a", "a-", "123", "\u{fc}", "a\nb", &long] {
        let error = Options { region: region.to_owned(), ..Options::default() }.check().unwrap_err();
        assert!(error.contains(" is no region: ") && error.contains(region), "{error}");
    }
    for region in ["a", "US-EAST-1", "eu-isoe-west-1", "1a", &long[1..]] {
        Options { region: region.to_owned(), ..Options::default() }.check().unwrap();
    }
    for wrong in ["", "a b", " a", "a\t", "a\r\n", "\u{7f}", "\u{fc}"] {
        let wrong = wrong.to_owned();
        let error = Options { access_key: wrong.clone(), ..Options::default() }.check().unwrap_err();
        assert!(error.contains(" is no access key: ") && error.contains(&wrong), "{error}");
        let error = Options { secret_key: wrong.clone(), ..Options::default() }.check().unwrap_err();
        assert!(error.starts_with("the secret key "), "{error}");
        let error = Options { session_token: Some(wrong), ..Options::default() }.check().unwrap_err();
        assert!(error.starts_with("the session token "), "{error}");
    }
    // Signatures separate the access key from other values by these characters.
    for access_key in ["a/b", "a,b"] {
        assert!(Options { access_key: access_key.to_owned(), ..Options::default() }.check().is_err(), "{access_key}");
    }
    let other = "!/,~+=".to_owned();
    let options = Options { access_key: "a+=".to_owned(), secret_key: other.clone(), ..Options::default() };
    Options { session_token: Some(other), ..options }.check().unwrap();
}

#[test]
fn archive_has_parts_in_order() {
    let (emulator, mut client) = start_with(Options::default());
    let whole = data(3 * MIB + 17);
    let id = client.initiate(MIB);
    for index in [2, 0, 3, 1] {
        let part = &whole[index * MIB..whole.len().min((index + 1) * MIB)];
        assert_eq!(client.send(&Request::part(&id, index * MIB, part)).status, 204);
    }
    assert_eq!(client.send(&Request::complete(&id, &whole)).status, 201);
    let path = emulator.archives()[0].path.clone().unwrap();
    assert!(std::fs::read(&path).unwrap() == whole);
    drop(emulator);
    assert!(!path.exists(), "a temporary directory stays behind");
}

#[test]
fn failed_attempt_keeps_stored_part() {
    let (emulator, mut client) = start_with(Options::default());
    let (good, other) = (data(MIB), vec![7; MIB]);
    let id = client.initiate(MIB);
    client.send(&Request::part(&id, 0, &good));
    let damaged = Request::part(&id, 0, &good).body(&other);
    assert_eq!(client.send(&damaged).status, 403);
    let replacing = Request::part(&id, 0, &other);
    client.write(&replacing.head(&client.host)).unwrap();
    client.write(&other[..MIB / 2]).unwrap();
    drop(client);
    while emulator.open_connections() > 0 {
        thread::yield_now();
    }
    let mut client = Client::connect(&emulator);
    assert_eq!(client.send(&Request::complete(&id, &good)).status, 201);
    assert!(std::fs::read(emulator.archives()[0].path.clone().unwrap()).unwrap() == good);
}

#[test]
fn data_directory_keeps_uploads_and_archives() {
    let directory = Directory::new();
    let whole = data(2 * MIB + 3);
    let (first, mut client) = start_with(directory.options());
    let (done, half) = (client.initiate(MIB), client.initiate(MIB));
    for (index, part) in whole.chunks(MIB).enumerate() {
        client.send(&Request::part(&done, index * MIB, part));
    }
    client.send(&Request::part(&half, 0, &[9; MIB]));
    client.send(&Request::part(&half, 0, &whole[..MIB]));
    let archive_id = client.send(&Request::complete(&done, &whole)).header("x-amz-archive-id").unwrap().to_owned();
    let (archives, uploads) = (first.archives(), first.uploads());
    drop(first);

    let (second, mut client) = start_with(directory.options());
    assert_eq!((second.archives(), second.uploads()), (archives, uploads));
    let again = client.send(&Request::complete(&done, &whole));
    assert_eq!(again.header("x-amz-archive-id"), Some(archive_id.as_str()));
    client.send(&Request::part(&half, MIB, &whole[MIB..2 * MIB]));
    client.send(&Request::part(&half, 2 * MIB, &whole[2 * MIB..]));
    assert_eq!(client.send(&Request::complete(&half, &whole)).status, 201);
    assert!(second.archives().iter().all(|archive| std::fs::read(archive.path.as_ref().unwrap()).unwrap() == whole));
    drop(second);
    assert!(directory.0.exists());
}

#[test]
fn count_storage_trusts_hashes() {
    let (emulator, mut client) = start_with(Options { storage: Storage::Count, ..Options::default() });
    let id = client.initiate(MIB);
    let part = Request::part(&id, 0, &data(MIB)).body(&vec![0; MIB]);
    let response = client.send(&part);
    assert_eq!(
        (response.status, response.header("x-amz-sha256-tree-hash")),
        (204, Some(tree_hash(&data(MIB)).as_str()))
    );
    assert_eq!(client.send(&Request::complete(&id, &data(MIB))).status, 201);
    assert_eq!((emulator.archives()[0].size, emulator.archives()[0].path.as_ref()), (MIB as u64, None));
}

#[test]
fn many_connections_share_one_upload() {
    let (emulator, mut client) = start_with(Options::default());
    let whole = data(32 * MIB);
    let id = client.initiate(MIB);
    thread::scope(|scope| {
        for worker in 0..8 {
            let (emulator, whole, id) = (&emulator, &whole, &id);
            scope.spawn(move || {
                let mut client = Client::connect(emulator);
                // Two workers send each part.
                for index in (0..32).filter(|index| index % 4 == worker % 4) {
                    let part = Request::part(id, index * MIB, &whole[index * MIB..][..MIB]);
                    assert_eq!(client.send(&part).status, 204);
                }
            });
        }
    });
    // Concurrent Completes create one archive.
    let ids: Vec<_> = thread::scope(|scope| {
        let complete = || Client::connect(&emulator).send(&Request::complete(&id, &whole));
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(complete)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().header("x-amz-archive-id").map(str::to_owned)).collect()
    });
    let archives = emulator.archives();
    assert_eq!((archives.len(), ids), (1, vec![Some(archives[0].archive_id.clone()); 4]));
    assert!(std::fs::read(archives[0].path.as_ref().unwrap()).unwrap() == whole);
    assert_eq!((emulator.connections(), emulator.requests().len()), (13, 1 + 64 + 4));
}

#[test]
fn admin_paths_correspond_to_methods() {
    let (emulator, mut client) = start_with(Options::default());
    let admin = |method: &str, path: &str, body: &str| {
        Request::new(method, format!("/.admin/{path}")).with(|r| r.authorization = false).body(body.as_bytes())
    };
    let fault = r#"{"operation": "UploadMultipartPart", "part": 0, "action": {"kind": "status", "status": 502}}"#;
    assert_eq!(client.send(&admin("POST", "faults", fault)).status, 204);
    client.send(&admin("POST", "faults", "{}")).expect_refusal(400, "BadRequest", "missing field");
    let id = client.initiate(MIB);
    assert_eq!(client.send(&Request::part(&id, 0, b"abc")).status, 502);
    assert_eq!(client.send(&Request::part(&id, 0, b"abc")).status, 204);
    emulator.add_fault(Fault::new(Action::status(500)).always());
    assert_eq!(client.send(&admin("DELETE", "faults", "")).status, 204);
    assert_eq!(client.send(&admin("GET", "uploads", "")).json()[0]["parts"][0]["last"], 2);
    client.send(&Request::complete(&id, b"abc"));

    let archive = client.send(&admin("GET", "archives", "")).json()[0].clone();
    assert_eq!((&archive["size"], &archive["upload_id"]), (&3.into(), &id.into()));
    let bytes = client.send(&admin("GET", &format!("archives/{}/data", archive["archive_id"].as_str().unwrap()), ""));
    assert_eq!((bytes.status, bytes.body.as_slice()), (200, &b"abc"[..]));
    client.send(&admin("GET", "archives/none/data", "")).expect_refusal(400, "BadRequest", "No such archive");

    let requests = client.send(&admin("GET", "requests", "")).json();
    let operations: Vec<_> = requests.as_array().unwrap().iter().map(|r| r["operation"].as_str().unwrap()).collect();
    assert_eq!(operations[0], "InitiateMultipartUpload");
    assert_eq!(operations.len(), 4, "requests of this address are not recorded");

    assert_eq!(client.send(&admin("POST", "clock", r#"{"offset": -900}"#)).status, 204);
    assert_eq!(client.send(&Request::list_uploads("")).status, 403);
    assert_eq!(client.send(&admin("POST", "clock", r#"{"offset": 0}"#)).status, 204);
    assert_eq!(client.send(&admin("POST", "token", r#"{"session_token": "new"}"#)).status, 204);
    let list = |token: &str| Request::list_uploads("").header("x-amz-security-token", token);
    assert_eq!(client.send(&list("new")).status, 200);
    assert_eq!(client.send(&admin("POST", "tokens", r#"{"session_token": "further"}"#)).status, 204);
    assert_eq!(client.send(&admin("POST", "tokens", r#"{"session_token": "late", "seconds": 0}"#)).status, 204);
    assert_eq!(["new", "further", "late"].map(|token| client.send(&list(token)).status), [200, 200, 403]);
    for path in ["token", "tokens"] {
        let response = client.send(&admin("POST", path, r#"{"session_token": ""}"#));
        response.expect_refusal(400, "BadRequest", "the session token is empty");
    }
    assert_eq!(client.send(&list("new")).status, 200);
    let from = |number: &str| admin("GET", &format!("requests?from={number}"), "");
    let message = "from takes a number from 0 to 18446744073709551615, not 18446744073709551616";
    client.send(&from("18446744073709551616")).expect_refusal(400, "BadRequest", message);
    assert_eq!(client.send(&admin("POST", "rate", r#"{"per_second": 0}"#)).status, 204);
    client.send(&list("new")).expect_refusal(400, "ThrottlingException", "Rate exceeded");
    assert_eq!(client.send(&admin("POST", "rate", r#"{"per_second": null}"#)).status, 204);
    assert_eq!(client.send(&list("new")).status, 200);
}

#[test]
fn supports_expect_100_continue() {
    let (_emulator, mut client) = start_with(Options { storage: Storage::Hashes, ..Options::default() });
    let id = client.initiate(MIB);
    let request = Request::part(&id, 0, b"abc").header("expect", "100-continue");
    client.write(&request.head(&client.host)).unwrap();
    assert_eq!(client.read_response().unwrap().status, 100);
    client.write(b"abc").unwrap();
    assert_eq!(client.read_response().unwrap().status, 204);
}

#[test]
fn rejects_port_in_use() {
    let (emulator, _client) = start_with(Options { storage: Storage::Hashes, ..Options::default() });
    let port = emulator.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    assert!(Emulator::start(Options { port, storage: Storage::Hashes, ..Options::default() }).is_err());
}
