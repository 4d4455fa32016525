//! The main flows of uploads: files, memory, streams, resuming, retries, abort and lists.

use std::sync::Arc;

use glacier_emulator::{Action, AfterResponse, ConnectionEnd, Emulator, Fault, Operation};
use glacier_mp::client::Client;
use glacier_mp::error::{ConnectFailure, Kind};
use glacier_mp::log::Level;
use glacier_mp::upload::Upload;
use glacier_mp::upload::state::State;
use tempfile::NamedTempFile;

use crate::program::{Access, Program, Proxy};
use crate::support::data::generate;
use crate::support::glacier::{CapturedLog, MIB, VAULT, client, file};
use crate::{glacier, through};

/// Three parts of 1 MiB and a shorter one.
fn content() -> &'static [u8] {
    static CONTENT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    CONTENT.get_or_init(|| generate("sha256ctr:6", 3_500_000))
}

struct Flows {
    glacier: Emulator,
    client: Arc<Client>,
    program: Program,
    lines: CapturedLog,
    file: NamedTempFile,
    journals: tempfile::TempDir,
}

impl Flows {
    fn upload(&self) -> Arc<Upload> {
        let upload = Upload::new(&self.client, VAULT).unwrap();
        upload.set_part_size(MIB).unwrap();
        upload
    }

    fn of_file(&self) -> Arc<Upload> {
        let upload = self.upload();
        upload.set_source_file(self.file.path()).unwrap();
        upload
    }

    /// Checks the archive of a completed upload.
    fn check(&self, upload: &Upload) {
        let id = upload.archive_id().unwrap().to_str().unwrap();
        let archive = self.glacier.archives().into_iter().find(|archive| archive.archive_id == id).unwrap();
        assert_eq!(std::fs::read(archive.path.unwrap()).unwrap(), content());
        let progress = upload.progress().unwrap();
        assert_eq!(progress.bytes_done + progress.bytes_resumed, content().len() as u64);
    }

    fn file_and_memory(&self) {
        let upload = self.of_file();
        upload.run().unwrap();
        self.check(&upload);
        let progress = upload.progress().unwrap();
        let (warnings, size) = (self.lines.of(Level::Warn), content().len() as u64);
        match self.program {
            // It closes each connection after a response without a "Connection: close". A request that was sent on such a
            // connection before the close arrived is sent again. Nothing else is.
            Program::Tinyproxy if progress.retries > 0 => {
                let is_close =
                    |line: &String| line.contains("the peer closed the connection") || line.contains("was lost");
                assert!(progress.bytes_sent >= size && warnings.iter().all(is_close), "{warnings:?}");
            }
            _ => assert_eq!((progress.bytes_sent, progress.retries), (size, 0), "{warnings:?}"),
        }
        let upload = self.upload();
        upload.set_source_memory(content()).unwrap();
        upload.run().unwrap();
        self.check(&upload);
    }

    fn stream(&self) {
        let upload = self.upload();
        for piece in content().chunks(700_001) {
            upload.write(piece).unwrap();
        }
        upload.finish().unwrap();
        self.check(&upload);
    }

    fn by_hand(&self) {
        let upload = self.upload();
        upload.initiate().unwrap();
        for (index, part) in (0..).zip(content().chunks(1 << 20)) {
            upload.put_part(index, part, None).unwrap();
        }
        assert_eq!(upload.list_parts().unwrap().len(), 4);
        upload.complete().unwrap();
        self.check(&upload);
    }

    fn resuming(&self) {
        let journal = self.journals.path().join("journal");
        let refused = Action::error(403, "AccessDeniedException", "no");
        self.glacier.add_fault(Fault::new(refused).on(Operation::UploadMultipartPart).part(3));
        let first = self.of_file();
        first.set_journal(&journal).unwrap();
        assert_eq!(first.run().unwrap_err().kind(), Kind::Access);
        drop(first);
        let second = self.of_file();
        second.set_journal(&journal).unwrap();
        second.run().unwrap();
        self.check(&second);
    }

    fn retries(&self) {
        for action in [
            Action::status(503),
            Action::Reset { after_bytes: Some(100_000) },
            Action::Close { after_bytes: None },
            Action::LostAnswer { then: ConnectionEnd::Close },
            Action::EarlyAnswer { after_bytes: 70_000, status: 503, body: None, then: AfterResponse::Close },
        ] {
            self.glacier.add_fault(Fault::new(action.clone()).on(Operation::UploadMultipartPart).part(1));
            let upload = self.of_file();
            upload.run().unwrap_or_else(|error| panic!("{action:?}: {error}"));
            self.check(&upload);
            assert!(upload.progress().unwrap().retries > 0, "{action:?}");
        }
        let lost = Fault::new(Action::LostAnswer { then: ConnectionEnd::Close });
        self.glacier.add_fault(lost.on(Operation::CompleteMultipartUpload));
        let upload = self.of_file();
        upload.run().unwrap();
        self.check(&upload);
    }

    fn abort_and_lists(&self) {
        let upload = self.upload();
        upload.initiate().unwrap();
        let id = upload.id().unwrap().to_str().unwrap().to_owned();
        let listed = self.client.list_uploads(VAULT).unwrap();
        assert!(listed.iter().any(|listed| listed.id == id), "{listed:?}");
        upload.abort().unwrap();
        assert_eq!(upload.state(), State::Aborted);
        assert!(self.client.list_uploads(VAULT).unwrap().iter().all(|listed| listed.id != id));
    }
}

/// Runs all flows through a proxy, with plain and with encrypted connections to the service.
fn run(program: Program, access: Access) {
    for tls in [false, true] {
        let (proxy, glacier) = (Proxy::start(program, access), glacier(tls));
        let mut config = through(&proxy, &proxy.url(), &glacier);
        config.set_give_up_after_ms(20_000).unwrap();
        let lines = CapturedLog::default();
        let client = client(config, &lines);
        let flows =
            Flows { program, glacier, client, lines, file: file(content()), journals: tempfile::tempdir().unwrap() };
        flows.file_and_memory();
        flows.stream();
        flows.by_hand();
        flows.resuming();
        flows.retries();
        flows.abort_and_lists();
        // Without the proxy nothing reaches the service.
        drop(proxy);
        let error = flows.client.list_uploads(VAULT).unwrap_err();
        assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::Tcp)), "{error}");
    }
}

#[test]
fn through_tinyproxy() {
    run(Program::Tinyproxy, Access::Open);
}

#[test]
fn through_tinyproxy_with_authentication() {
    run(Program::Tinyproxy, Access::Authenticated);
}

#[test]
fn through_squid() {
    run(Program::Squid, Access::Open);
}

#[test]
fn through_squid_with_authentication() {
    run(Program::Squid, Access::Authenticated);
}

#[test]
fn through_squid_over_tls_with_authentication() {
    run(Program::SquidTls, Access::Authenticated);
}
