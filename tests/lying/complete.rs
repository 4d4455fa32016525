//! Unusual but valid responses to Complete. Each creates an archive with one request.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use glacier_mp::error::Kind;
use glacier_mp::upload::Upload;

use crate::parts::config;
use crate::server::Peer;
use crate::service::{Archive, OnComplete, Service};
use crate::support::glacier::{CapturedLog, MIB, VAULT, client, file};

const STALL: Duration = Duration::from_millis(400);

#[test]
fn interim_response_to_complete_changes_no_timeout() {
    assert_one_complete_creates_the_archive(|peer, archive| {
        peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        thread::sleep(3 * STALL);
        peer.send(format!("{}{{}}", archive.head));
    });
}

#[test]
fn response_to_complete_may_exceed_the_stall_timeout() {
    assert_one_complete_creates_the_archive(|peer, archive| {
        thread::sleep(3 * STALL);
        peer.send(format!("{}{{}}", archive.head));
    });
}

#[test]
fn response_to_complete_needs_no_body() {
    assert_one_complete_creates_the_archive(|peer, archive| {
        peer.send(&archive.head);
        peer.reset();
    });
    assert_one_complete_creates_the_archive(|peer, archive| {
        peer.send(&archive.head);
        peer.hold();
    });
}

/// A response with an incomplete header section, or with two lengths, counts as lost.
#[test]
fn repeats_complete_after_an_invalid_response() {
    for broken in [
        "HTTP/1.1 201 Created\r\nx-amz-archive-id: A\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    ] {
        for tls in [false, true] {
            let is_first = std::sync::atomic::AtomicBool::new(true);
            let (outcome, completes) = complete(
                tls,
                Box::new(move |peer, archive| {
                    if is_first.swap(false, Ordering::SeqCst) {
                        peer.send(broken);
                        peer.close();
                    } else {
                        peer.send(format!("{}{{}}", archive.head));
                    }
                }),
            );
            outcome.unwrap();
            assert_eq!(completes, 2);
        }
    }
}

#[test]
fn give_up_after_limits_the_wait_for_the_response_to_complete() {
    let (outcome, completes) = complete_within(false, Some(Duration::from_secs(2)), Box::new(|peer, _| peer.hold()));
    assert_eq!(outcome.unwrap_err().kind(), Kind::OutcomeUnknown);
    assert_eq!(completes, 1);
}

fn assert_one_complete_creates_the_archive(on_complete: impl Fn(&mut Peer, &Archive) + Send + Sync + Copy + 'static) {
    for tls in [false, true] {
        let (outcome, completes) = complete(tls, Box::new(on_complete));
        outcome.unwrap();
        assert_eq!(completes, 1, "tls: {tls}");
    }
}

fn complete(tls: bool, on_complete: OnComplete) -> (glacier_mp::error::Result<()>, usize) {
    complete_within(tls, None, on_complete)
}

/// Uploads one part, and returns the outcome and the number of requests to complete.
fn complete_within(
    tls: bool,
    give_up_after: Option<Duration>,
    on_complete: OnComplete,
) -> (glacier_mp::error::Result<()>, usize) {
    let source = vec![7; 1000];
    let (server, service) = Service::start_with(tls, None, 0, &[&source], on_complete);
    let mut config = config(&server);
    config.set_stall_timeout_ms(STALL.as_millis().try_into().unwrap()).unwrap();
    if let Some(limit) = give_up_after {
        config.set_give_up_after_ms(limit.as_millis().try_into().unwrap()).unwrap();
    }
    let ca = server.ca_pem.as_ref().map(|pem| file(pem.as_bytes()));
    if let Some(ca) = &ca {
        config.set_ca_file(ca.path()).unwrap();
    }
    let content = file(&source);
    let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.set_source_file(content.path()).unwrap();
    let outcome = upload.run();
    if outcome.is_ok() {
        assert!(service.archive().unwrap() == source);
        assert_eq!(upload.archive_id().unwrap().to_str().unwrap(), "A");
    }
    (outcome, service.completes.load(Ordering::SeqCst))
}
