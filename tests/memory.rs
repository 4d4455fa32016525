//! How much memory an upload takes, as the system counts it for this process, in which nothing else runs: parts of 256 MiB
//! had a process killed at 22 GB (glacier-upload issue 58), and one part of 4 GiB took all there was (glacier-cmd issues 97
//! and 152, mt-aws-glacier issue 143).
#![cfg(test)]

mod support;

use std::fs;

use glacier_emulator::{Emulator, Options, Storage};
use glacier_mp::error::Kind;
use glacier_mp::upload::{Flow, Upload};
use support::glacier::{CapturedLog, MIB, VAULT, client, config, file};
use tempfile::NamedTempFile;

/// For the parts of an upload.
const LIMIT: u64 = 16 * MIB;
/// For everything else: threads, connections, TLS, and here the local Glacier as well.
const BESIDES: u64 = 32 * MIB;

#[test]
fn an_upload_keeps_to_its_memory_whatever_its_parts() {
    let glacier = Emulator::start(Options { tls: true, storage: Storage::Count, ..Options::default() }).unwrap();
    let ca = file(glacier.ca_pem().unwrap().as_bytes());
    // The last one is not sent: to hash its first part takes as long as all the others.
    for (part, size, to_hash) in
        [(MIB, 150 * MIB, u64::MAX), (256 * MIB, 400 * MIB, u64::MAX), (4096 * MIB, 9000 * MIB, 500 * MIB)]
    {
        let file = NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        let mut config = config(&glacier);
        config.set_ca_file(ca.path()).unwrap();
        config.set_memory_limit(LIMIT).unwrap();
        let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
        upload.set_part_size(part).unwrap();
        upload.set_source_file(file.path()).unwrap();
        let watch = move |progress: &glacier_mp::upload::Progress| {
            if progress.bytes_hashed < to_hash { Flow::Continue } else { Flow::Stop }
        };
        upload.set_progress(Some(Box::new(watch))).unwrap();

        // From here on the peak is counted anew.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = memory("VmRSS:");
        match upload.run() {
            Ok(()) => assert_eq!(to_hash, u64::MAX),
            Err(error) => assert_eq!((error.kind(), to_hash), (Kind::Callback, 500 * MIB), "{error}"),
        }
        let taken = memory("VmHWM:").saturating_sub(before);
        assert!(taken <= LIMIT + BESIDES, "parts of {part} bytes took {taken} bytes");
    }
    assert_eq!(glacier.archives().len(), 2);
}

/// What the system says of this process, in bytes.
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
