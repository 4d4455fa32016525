//! Failures that users of other tools reported, repeated with this library.
#![cfg(test)]

mod cable;
mod complete;
mod names;
mod orphans;
mod pipe;
mod readers;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use fastrand::Rng;
use glacier_emulator::{Emulator, Operation, Options, RequestRecord};
use glacier_mp::config::Config;
use glacier_mp::upload::Upload;
use support::glacier::{CapturedLog, MIB, VAULT, client, config};
use tempfile::NamedTempFile;

pub(crate) fn start() -> Emulator {
    Emulator::start(Options::default()).unwrap()
}

/// Random bytes with all values.
pub(crate) fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Rng::with_seed(8).fill(&mut bytes);
    bytes
}

/// An upload with parts of 1 MiB.
pub(crate) fn upload(glacier: &Emulator, settings: impl FnOnce(&mut Config)) -> Arc<Upload> {
    let mut config = config(glacier);
    settings(&mut config);
    let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload
}

pub(crate) fn of(glacier: &Emulator, operation: Operation) -> Vec<RequestRecord> {
    glacier.requests().into_iter().filter(|request| request.operation == Some(operation)).collect()
}

/// Writes the CA certificate to a file and trusts it. `None` without HTTPS.
pub(crate) fn trust(glacier: &Emulator, config: &mut Config) -> Option<NamedTempFile> {
    let file = glacier.ca_pem().map(|pem| support::glacier::file(pem.as_bytes()))?;
    config.set_ca_file(file.path()).unwrap();
    Some(file)
}
