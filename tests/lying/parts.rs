//! False acknowledgements of parts, with 1 and 8 workers, HTTP and HTTPS, buffered parts and parts that are read twice.

use std::sync::{Arc, LazyLock};

use glacier_mp::config::Config;
use glacier_mp::environment::Environment;
use glacier_mp::error::Result;
use glacier_mp::upload::Upload;

use crate::server::Server;
use crate::service::{FALSE_ACKS, FalseAck, Service};
use crate::support::data::generate;
use crate::support::glacier::{CapturedLog, MIB, VAULT, client, file};

/// The number of false acknowledgements of a service that becomes correct.
const SOME: usize = 3;

/// The bytes from which all sources are taken.
static SOURCE: LazyLock<Vec<u8>> = LazyLock::new(|| generate("sha256ctr:17", 16 << 20));

#[test]
fn detects_early_acknowledgements_over_http() {
    check(false, true);
}

#[test]
fn detects_early_acknowledgements_over_https() {
    check(true, true);
}

#[test]
fn detects_wrong_acknowledgements_over_http() {
    check(false, false);
}

#[test]
fn detects_wrong_acknowledgements_over_https() {
    check(true, false);
}

#[test]
fn accepts_correct_acknowledgements() {
    for tls in [false, true] {
        let (source, outcome, service) = run(tls, None, 0, 2, None);
        outcome.unwrap();
        assert!(service.archive().unwrap() == source);
    }
}

fn check(tls: bool, early: bool) {
    for false_ack in FALSE_ACKS.into_iter().filter(|false_ack| false_ack.is_early() == early) {
        for workers in [1, 8] {
            for memory_limit in [None, Some(MIB)] {
                for false_acks in [SOME, usize::MAX] {
                    let what = format!(
                        "{false_ack:?} x {false_acks}, {workers} workers, memory limit {memory_limit:?}, tls: {tls}"
                    );
                    let (source, outcome, service) = run(tls, Some(false_ack), false_acks, workers, memory_limit);
                    let is_stored = service.archive().is_some_and(|archive| archive == source);
                    assert!(outcome.is_err() || is_stored, "{what}: OK, but the archive is not the source");
                    if false_acks == SOME || false_ack == FalseAck::Twice || false_ack == FalseAck::Completion {
                        outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
                    } else if !false_ack.is_partly_correct() {
                        outcome.expect_err(&what);
                    }
                }
            }
        }
    }
}

/// Uploads to a service with false acknowledgements.
fn run(
    tls: bool,
    false_ack: Option<FalseAck>,
    false_acks: usize,
    workers: u32,
    memory_limit: Option<u64>,
) -> (&'static [u8], Result<()>, Arc<Service>) {
    let (part_size, count) = if false_ack.is_some_and(FalseAck::is_early) { (8 * MIB, 2) } else { (2 * MIB, 5) };
    let source = &SOURCE[..usize::try_from(part_size * count).unwrap()];
    let parts: Vec<_> = source.chunks(usize::try_from(part_size).unwrap()).collect();
    let (server, service) = Service::start(tls, false_ack, false_acks, &parts);
    let mut config = config(&server);
    config.set_concurrency(workers).unwrap();
    if false_acks == usize::MAX {
        config.set_max_attempts(3).unwrap();
    }
    if let Some(limit) = memory_limit {
        config.set_memory_limit(limit).unwrap();
    }
    let ca = server.ca_pem.as_ref().map(|pem| file(pem.as_bytes()));
    if let Some(ca) = &ca {
        config.set_ca_file(ca.path()).unwrap();
    }
    let content = file(source);
    let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_part_size(part_size).unwrap();
    upload.set_source_file(content.path()).unwrap();
    let outcome = upload.run();
    (source, outcome, service)
}

pub(crate) fn config(server: &Server) -> Config {
    let mut config = Config::new(Environment::isolated());
    config.set_region("us-east-1").unwrap();
    config.set_endpoint(&server.url()).unwrap();
    config.set_credentials("AKIDEXAMPLE", "secret", None).unwrap();
    config
}
