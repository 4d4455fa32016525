//! The peak memory of an upload, as the kernel reports it for this process. Nothing else runs in the process. Other clients
//! ran out of memory: at 22 GB with parts of 256 MiB (glacier-upload issue 58), and with one part of 4 GiB (glacier-cmd
//! issues 97 and 152, mt-aws-glacier issue 143).
#![cfg(test)]

mod support;

use std::fs;

use glacier_emulator::{Emulator, Options, Storage};
use glacier_mp::error::Kind;
use glacier_mp::upload::{Flow, Upload};
use support::glacier::{CapturedLog, MIB, VAULT, client, config, file};
use tempfile::NamedTempFile;

/// The memory limit for part buffers.
const LIMIT: u64 = 16 * MIB;
/// The allowance for everything else: threads, connections, TLS, and the local Glacier.
const OVERHEAD: u64 = 32 * MIB;

#[test]
fn stays_within_memory_limit_for_every_part_size() {
    let glacier = Emulator::start(Options { tls: true, storage: Storage::Count, ..Options::default() }).unwrap();
    let ca = file(glacier.ca_pem().unwrap().as_bytes());
    // The last upload stops before it sends anything: hashing its first part takes as long as the others.
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
        let stop = move |progress: &glacier_mp::upload::Progress| {
            if progress.bytes_hashed < to_hash { Flow::Continue } else { Flow::Stop }
        };
        upload.set_progress(Some(Box::new(stop))).unwrap();

        // Resets the peak.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = memory("VmRSS:");
        match upload.run() {
            Ok(()) => assert_eq!(to_hash, u64::MAX),
            Err(error) => assert_eq!((error.kind(), to_hash), (Kind::Callback, 500 * MIB), "{error}"),
        }
        let peak = memory("VmHWM:").saturating_sub(before);
        assert!(peak <= LIMIT + OVERHEAD, "part size {part}: peak of {peak} bytes");
    }
    assert_eq!(glacier.archives().len(), 2);
}

/// Returns a memory figure of this process, in bytes.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
