//! Rules of HTTP that do not depend on the service.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use client::{Client, Request, start};

fn describe() -> Request {
    Request::new("GET", "/-/vaults/examplevault")
}

/// Returns the bytes of `request`, after `change` has changed their text.
fn changed(client: &Client, request: &Request, change: impl Fn(&str) -> String) -> Vec<u8> {
    let head = String::from_utf8(request.head(&client.host)).unwrap();
    let changed = change(&head);
    assert_ne!(changed, head);
    changed.into_bytes()
}

/// Adds a line to a head.
fn with_line(head: &str, line: &str) -> String {
    head.replacen("\r\n", &format!("\r\n{line}\r\n"), 1)
}

#[test]
fn close_in_a_list_of_options_closes_the_connection() {
    for lines in [
        "Connection: close",
        "Connection: TE, close",
        "connection: Close ,TE",
        "Connection: TE\r\nConnection: close",
        "Connection: keep-alive,,close",
    ] {
        let (_emulator, mut client) = start();
        let head = changed(&client, &describe(), |head| with_line(head, lines));
        client.write(&head).unwrap();
        assert_eq!(client.read_response().unwrap().status, 200, "{lines}");
        assert!(client.is_closed(), "{lines}");
    }
    let (_emulator, mut client) = start();
    let head = changed(&client, &describe(), |head| with_line(head, "Connection: TE, closed"));
    for _ in 0..2 {
        client.write(&head).unwrap();
        assert_eq!(client.read_response().unwrap().status, 200);
    }
}

#[test]
fn response_to_head_has_no_content() {
    for target in ["/-/vaults/examplevault", "/.admin/archives"] {
        let (_emulator, mut client) = start();
        let head = changed(&client, &Request::new("HEAD", target), |head| with_line(head, "Connection: close"));
        client.write(&head).unwrap();
        let (response, end) = client.read_to_end();
        end.unwrap();
        assert!(response.starts_with("HTTP/1.1 4") && response.ends_with("\r\n\r\n"), "{response}");
        let length = response.split("Content-Length: ").nth(1).unwrap().split('\r').next().unwrap();
        assert_ne!(length, "0", "{response}");
        // A response before the body has been read.
        let (_emulator, mut client) = start();
        let head = changed(&client, &Request::new("HEAD", target), |head| with_line(head, "Content-Length: x"));
        client.write(&head).unwrap();
        let (response, _) = client.read_to_end();
        assert!(response.starts_with("HTTP/1.1 400 ") && response.ends_with("\r\n\r\n"), "{response}");
    }
}

#[test]
fn http_1_0_gets_no_interim_response() {
    let (_emulator, mut client) = start();
    let archive = Request::archive(b"abc").header("expect", "100-continue");
    let mut request = changed(&client, &archive, |head| head.replacen("HTTP/1.1", "HTTP/1.0", 1));
    request.extend(b"abc");
    client.write(&request).unwrap();
    assert_eq!(client.read_response().unwrap().status, 201);
    assert!(client.is_closed());
}

#[test]
fn accepts_target_in_absolute_form() {
    let (emulator, mut client) = start();
    let host = client.host.clone();
    for scheme in ["http", "HTTP", "https"] {
        let head = changed(&client, &describe(), |head| head.replacen(" /", &format!(" {scheme}://{host}/"), 1));
        client.write(&head).unwrap();
        assert_eq!(client.read_response().unwrap().status, 200, "{scheme}");
    }
    // The host of the target replaces `Host`, which a proxy may have changed.
    let head = changed(&client, &describe(), |head| {
        let head = head.replacen(" /", &format!(" http://{host}/"), 1);
        head.replacen(&format!("host: {host}"), "host: other.example", 1)
    });
    client.write(&head).unwrap();
    assert_eq!(client.read_response().unwrap().status, 200);
    assert!(emulator.requests().iter().all(|request| request.target == "/-/vaults/examplevault"));
    let archives = format!("GET http://{host}/.admin/archives HTTP/1.1\r\n\r\n");
    client.write(archives.as_bytes()).unwrap();
    assert_eq!(client.read_response().unwrap().status, 200);
}

#[test]
fn rejects_two_hosts() {
    for second in ["other.example", "{host}"] {
        let (_emulator, mut client) = start();
        let second = second.replace("{host}", &client.host);
        let head = changed(&client, &describe(), |head| with_line(head, &format!("Host: {second}")));
        client.write(&head).unwrap();
        let response = client.read_response().unwrap();
        response.expect_refusal(400, "BadRequest", "more than one Host");
        assert!(client.is_closed());
    }
}
