//! Uploads against the local Glacier.
#![cfg(test)]

mod background;
mod complete;
mod give_up;
mod journal;
mod lost_responses;
mod multipart;
mod repair;
mod retries;
mod run;
mod shared;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use glacier_emulator::{Action, Emulator, Fault, Operation, Options, RequestRecord};
use glacier_mp::error::{Error, Kind};
use glacier_mp::upload::Upload;
use support::data::generate;
use support::glacier::{CapturedLog, MIB, VAULT, client, config, upload};

pub(crate) fn start() -> Emulator {
    Emulator::start(Options::default()).unwrap()
}

/// 16.2 MB in parts of 4 MiB: three whole parts and a shorter last one.
pub(crate) fn content() -> Vec<u8> {
    generate("sha256ctr:6", 16_200_000)
}

pub(crate) fn of(glacier: &Emulator, operation: Operation) -> Vec<RequestRecord> {
    glacier.requests().into_iter().filter(|request| request.operation == Some(operation)).collect()
}

pub(crate) fn acknowledged_parts(glacier: &Emulator) -> Vec<u64> {
    let sent = of(glacier, Operation::UploadMultipartPart);
    let mut starts: Vec<_> =
        sent.iter().filter(|request| request.status == Some(204)).map(|request| request.range.unwrap().0).collect();
    starts.sort_unstable();
    starts
}

pub(crate) fn ready(glacier: &Emulator, file: &tempfile::NamedTempFile) -> Arc<Upload> {
    let upload = upload(glacier);
    upload.set_part_size(4 * MIB).unwrap();
    upload.set_source_file(file.path()).unwrap();
    upload
}

/// As `ready`, with one part in flight. If a part fails, no other part is in flight.
pub(crate) fn ready_for_one_at_a_time(glacier: &Emulator, file: &tempfile::NamedTempFile) -> Arc<Upload> {
    let mut config = config(glacier);
    config.set_concurrency(1).unwrap();
    let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_part_size(4 * MIB).unwrap();
    upload.set_source_file(file.path()).unwrap();
    upload
}

pub(crate) fn status(status: u16) -> Fault {
    Fault::new(Action::status(status))
}

pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Fault {
    Fault::new(Action::error(status, code, message))
}

/// A response of a proxy, with an error document.
pub(crate) fn proxy(status: u16, body: &str) -> Fault {
    Fault::new(Action::ProxyResponse {
        status,
        body: Some(body.to_owned()),
        content_type: Some("application/json".to_owned()),
    })
}

pub(crate) fn code(result: Result<(), Error>) -> Kind {
    result.unwrap_err().kind()
}
