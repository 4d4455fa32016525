//! Retries of each operation: transient and ambiguous failures are retried, permanent ones are not.
#![cfg(test)]

mod support;

use std::io::BufRead;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation, Options, ResponsePrefix};
use glacier_mp::clock::Clock;
use glacier_mp::error::{ConnectFailure, Error, Kind, Result};
use glacier_mp::http::{Connection, Request, RequestContext, Response, Transport, UreqTransport};
use glacier_mp::log::Level;
use glacier_mp::sync::cancel::Cancel;
use glacier_mp::upload::Upload;
use glacier_mp::upload::state::State;
use support::closed_port::ClosedPort;
use support::glacier::{CapturedLog, VAULT, VirtualClock, client, client_with_transport, config, file};
use support::operations::{OPERATIONS, perform, prepared_upload, requests};

/// A clock whose waits take no time. It records the waits and runs a function in one of them.
#[derive(Debug, Default)]
struct RecordingClock {
    quick: VirtualClock,
    waits: Mutex<Vec<Duration>>,
    hook: Mutex<Option<WaitHook>>,
}

/// The number of a wait, and the function that runs in it.
struct WaitHook(usize, Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for WaitHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WaitHook({})", self.0)
    }
}

impl Clock for RecordingClock {
    fn unix_time(&self) -> i64 {
        self.quick.unix_time()
    }

    fn monotonic(&self) -> Duration {
        self.quick.monotonic()
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<()> {
        let number = {
            let mut waits = self.waits.lock().unwrap();
            waits.push(time);
            waits.len()
        };
        if let Some(WaitHook(_, run)) = self.hook.lock().unwrap().take_if(|WaitHook(when, _)| *when == number) {
            run();
        }
        self.quick.wait(time, cancel)
    }
}

/// Performs an operation with a fault. Returns the outcome and the number of requests.
fn perform_with_fault(operation: Operation, fault: Fault) -> (Result<()>, usize) {
    let glacier = Emulator::start(Options::default()).unwrap();
    let client = client(config(&glacier), &CapturedLog::default());
    let upload = prepared_upload(operation, &client);
    let before = requests(&glacier, operation);
    glacier.add_fault(fault.on(operation));
    let outcome = perform(operation, &upload, &client);
    (outcome, requests(&glacier, operation) - before)
}

#[test]
fn each_operation_retries_transient_failures() {
    let actions = [
        Action::CutResponse { after: ResponsePrefix::HalfHeaders, then: ConnectionEnd::Close },
        Action::Garbage,
        Action::Reset { after_bytes: None },
        Action::Close { after_bytes: None },
        Action::LostAnswer { then: ConnectionEnd::Reset },
        Action::error(400, "ThrottlingException", "Rate exceeded"),
        Action::error(403, "ThrottlingException", "Rate exceeded"),
        Action::error(408, "RequestTimeoutException", "Request timed out."),
        Action::error(400, "RequestTimeoutException", "Request timed out."),
        Action::error(500, "ServiceUnavailableException", "Try again."),
        Action::status(400),
        Action::status(429),
        Action::status(502),
        Action::status(503),
        Action::status(504),
    ];
    for operation in OPERATIONS {
        for action in &actions {
            let (outcome, requests) = perform_with_fault(operation, Fault::new(action.clone()));
            outcome.unwrap_or_else(|error| panic!("{operation:?}, {action:?}: {error}"));
            assert_eq!(requests, 2, "{operation:?}, {action:?}");
        }
    }
}

/// RFC 9112 §8. Only lists need the body of a success.
#[test]
fn truncated_body_matters_only_for_lists() {
    for operation in OPERATIONS {
        for then in [ConnectionEnd::Close, ConnectionEnd::Reset] {
            let cut = Action::CutResponse { after: ResponsePrefix::Headers, then };
            let (outcome, requests) = perform_with_fault(operation, Fault::new(cut));
            outcome.unwrap_or_else(|error| panic!("{operation:?}: {error}"));
            let is_list = matches!(operation, Operation::ListParts | Operation::ListMultipartUploads);
            assert_eq!(requests, if is_list { 2 } else { 1 }, "{operation:?}");
        }
    }
}

/// The stall timeout does not apply to the response of Complete, which may take many minutes.
#[test]
fn each_operation_retries_after_a_stall() {
    for operation in OPERATIONS.into_iter().filter(|operation| *operation != Operation::CompleteMultipartUpload) {
        let glacier = Emulator::start(Options::default()).unwrap();
        let mut config = config(&glacier);
        config.set_stall_timeout_ms(500).unwrap();
        let client = client(config, &CapturedLog::default());
        let upload = prepared_upload(operation, &client);
        glacier.add_fault(Fault::new(Action::Stall { after_bytes: None }).on(operation));
        perform(operation, &upload, &client).unwrap_or_else(|error| panic!("{operation:?}: {error}"));
    }
}

#[test]
fn no_operation_retries_permanent_failures() {
    for operation in OPERATIONS {
        for (status, code) in [
            (400, "InvalidParameterValueException"),
            (403, "AccessDeniedException"),
            (403, "InvalidSignatureException"),
            (400, "LimitExceededException"),
            (400, "NoLongerSupportedException"),
        ] {
            let (outcome, requests) =
                perform_with_fault(operation, Fault::new(Action::error(status, code, "No.")).always());
            assert_eq!(outcome.unwrap_err().service_code(), Some(code), "{operation:?}");
            // What is wrong with a Complete may be its parts: they are looked at, and it is asked once more.
            let of_parts = operation == Operation::CompleteMultipartUpload && code == "InvalidParameterValueException";
            assert_eq!(requests, if of_parts { 2 } else { 1 }, "{operation:?}, {code}");
        }
    }
}

#[test]
fn retries_responses_that_are_not_http_three_times() {
    for operation in OPERATIONS {
        let (outcome, requests) = perform_with_fault(operation, Fault::new(Action::Garbage).always());
        let unknown = operation == Operation::CompleteMultipartUpload;
        let want = if unknown { Kind::OutcomeUnknown } else { Kind::Protocol };
        assert_eq!(outcome.unwrap_err().kind(), want, "{operation:?}");
        assert_eq!(requests, 4, "{operation:?}");
    }
}

#[test]
fn waits_as_long_as_retry_after() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let busy = Action::Status {
        status: 503,
        body: None,
        content_type: None,
        headers: vec![("Retry-After".to_owned(), "7".to_owned())],
    };
    glacier.add_fault(Fault::new(busy).times(2));
    let clock = Arc::new(RecordingClock::default());
    let client = client_with_transport(config(&glacier), &CapturedLog::default(), clock.clone(), |transport| {
        Arc::new(transport)
    });
    client.list_uploads(VAULT).unwrap();
    assert_eq!(*clock.waits.lock().unwrap(), [Duration::from_secs(7); 2]);
}

#[test]
fn waits_for_a_service_that_starts_late() {
    let closed = ClosedPort::new();
    let port = closed.address.port();
    let started = Arc::new(Mutex::new(None));
    let into = Arc::clone(&started);
    let start = move || {
        *into.lock().unwrap() = Some(Emulator::start(Options { port, ..Options::default() }).unwrap());
    };
    let clock = Arc::new(RecordingClock::default());
    *clock.hook.lock().unwrap() = Some(WaitHook(3, Box::new(start)));

    let elsewhere = Emulator::start(Options::default()).unwrap();
    let mut config = config(&elsewhere);
    config.set_endpoint(&format!("http://127.0.0.1:{port}")).unwrap();
    let client = client_with_transport(config, &CapturedLog::default(), clock.clone(), |transport| Arc::new(transport));
    let upload = Upload::new(&client, VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    upload.run().unwrap();
    assert_eq!(started.lock().unwrap().as_ref().unwrap().archives().len(), 1);
    assert_eq!(clock.waits.lock().unwrap().len(), 3);
}

/// A transport whose first attempts to open a connection fail.
#[derive(Debug)]
struct Outage {
    transport: UreqTransport,
    failure: ConnectFailure,
    left: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct OutageConnection {
    connection: Box<dyn Connection>,
    failure: ConnectFailure,
    left: Arc<AtomicUsize>,
}

impl Transport for Outage {
    fn connection(&self) -> Box<dyn Connection> {
        let connection = self.transport.connection();
        Box::new(OutageConnection { connection, failure: self.failure, left: Arc::clone(&self.left) })
    }
}

impl Connection for OutageConnection {
    fn open(&mut self, context: &RequestContext) -> Result<()> {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Err(Error::new(Kind::Network, "there is an outage").not_connected(self.failure)),
            Err(_) => self.connection.open(context),
        }
    }

    fn exchange(&mut self, request: &Request, payload: &mut dyn BufRead, context: &RequestContext) -> Result<Response> {
        self.connection.exchange(request, payload, context)
    }
}

/// Creates a client whose next `left` attempts to open a connection fail. `left` is 0 at first.
fn client_with_outage(
    glacier: &Emulator,
    failure: ConnectFailure,
    lines: &CapturedLog,
) -> (Arc<glacier_mp::client::Client>, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(0));
    let wrap = |transport| -> Arc<dyn Transport> { Arc::new(Outage { transport, failure, left: Arc::clone(&left) }) };
    let client = client_with_transport(config(glacier), lines, Arc::new(VirtualClock::default()), wrap);
    (client, left)
}

/// Eight workers fail fifteen times each on average before a connection can be opened. A part has fewer attempts.
#[test]
fn outage_does_not_count_as_attempts() {
    let glacier = Emulator::start(Options::default()).unwrap();
    for failure in [ConnectFailure::Tcp, ConnectFailure::NameNotFound, ConnectFailure::TlsHandshake] {
        let lines = CapturedLog::default();
        let (client, left) = client_with_outage(&glacier, failure, &lines);
        let upload = Upload::new(&client, VAULT).unwrap();
        upload.set_part_size(1 << 20).unwrap();
        upload.set_source_memory(vec![7; 8 << 20].leak()).unwrap();
        upload.initiate().unwrap();
        left.store(8 * 15, Ordering::Relaxed);
        upload.run().unwrap_or_else(|error| panic!("{failure:?}: {error}"));
        assert_eq!(upload.progress().unwrap().retries, 8 * 15, "{failure:?}");
        let warnings = lines.of(Level::Warn);
        assert_eq!(warnings.iter().filter(|line| line.contains("there is an outage")).count(), 8 * 15);
    }
}

#[test]
fn gives_up_an_endpoint_that_was_never_reached_soon() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let waited = |failure| {
        let lines = CapturedLog::default();
        let (client, left) = client_with_outage(&glacier, failure, &lines);
        left.store(usize::MAX, Ordering::Relaxed);
        let upload = Upload::new(&client, VAULT).unwrap();
        upload.set_source_memory(b"x").unwrap();
        let error = upload.run().unwrap_err();
        assert_eq!(error.kind(), Kind::Network, "{error}");
        assert!(error.message().contains("the endpoint, which is from the program"), "{error}");
        let progress = upload.progress().unwrap();
        assert_eq!(progress.retries + 1, (usize::MAX - left.load(Ordering::Relaxed)) as u64);
        (progress.retries + 1, Duration::from_millis(progress.elapsed_ms))
    };
    let (attempts, time) = waited(ConnectFailure::NameNotFound);
    assert!(attempts == 3 && time < Duration::from_secs(2), "{attempts} attempts, {time:?}");
    let (attempts, time) = waited(ConnectFailure::Tcp);
    assert!(attempts > 3 && time < Duration::from_secs(46), "{attempts} attempts, {time:?}");
}

#[test]
fn counts_the_retries_of_all_requests_when_they_fail() {
    for operation in OPERATIONS.into_iter().filter(|operation| *operation != Operation::ListMultipartUploads) {
        let glacier = Emulator::start(Options::default()).unwrap();
        let clock = Arc::new(RecordingClock::default());
        let client = client_with_transport(config(&glacier), &CapturedLog::default(), clock.clone(), |transport| {
            Arc::new(transport)
        });
        let upload = prepared_upload(operation, &client);
        let (seen, upload_in_wait) = (Arc::new(Mutex::new(None)), Arc::clone(&upload));
        let into = Arc::clone(&seen);
        let look = move || *into.lock().unwrap() = Some(upload_in_wait.progress().unwrap().retries);
        *clock.hook.lock().unwrap() = Some(WaitHook(1, Box::new(look)));
        glacier.add_fault(Fault::new(Action::status(503)).on(operation));
        perform(operation, &upload, &client).unwrap();
        assert_eq!(*seen.lock().unwrap(), Some(1), "{operation:?}: in the first wait");
        assert_eq!(upload.progress().unwrap().retries, 1, "{operation:?}");
    }
}

#[test]
fn retries_a_404_of_a_proxy_and_keeps_the_upload() {
    let response = |body: &str| Action::ProxyResponse { status: 404, body: Some(body.to_owned()), content_type: None };
    let page = "<html>no such page</html>";
    for operation in OPERATIONS {
        for body in ["", page] {
            let (outcome, requests) = perform_with_fault(operation, Fault::new(response(body)));
            outcome.unwrap_or_else(|error| panic!("{operation:?}, {body:?}: {error}"));
            assert_eq!(requests, 2, "{operation:?}, {body:?}");
        }
    }
    for operation in OPERATIONS {
        let (outcome, requests) = perform_with_fault(operation, Fault::new(response(page)).always());
        let error = outcome.unwrap_err();
        let unknown = operation == Operation::CompleteMultipartUpload;
        let want = if unknown { Kind::OutcomeUnknown } else { Kind::Service };
        assert_eq!((error.kind(), error.http_status()), (want, Some(404)), "{operation:?}: {error}");
        assert_eq!(requests, 10, "{operation:?}");
        // A proxy does not show whether the service carried out the abort.
        let may_have_no_upload = matches!(
            operation,
            Operation::InitiateMultipartUpload | Operation::ListMultipartUploads | Operation::AbortMultipartUpload
        );
        assert_eq!(error.is_resumable(), !may_have_no_upload, "{operation:?}: {error}");
    }
}

/// A 403 without the service's headers comes from a firewall or a captive portal, and may be temporary.
#[test]
fn retries_other_responses_of_a_proxy_three_times() {
    let document = r#"{"code":"Forbidden","message":"policy","type":"Client"}"#;
    for (status, kind, body) in [
        (400, Kind::Service, None),
        (403, Kind::Access, None),
        (407, Kind::Access, None),
        (302, Kind::Protocol, None),
        (400, Kind::Service, Some(document)),
        (403, Kind::Access, Some(document)),
        (410, Kind::Service, Some(document)),
    ] {
        let page = || Action::ProxyResponse { status, body: body.map(str::to_owned), content_type: None };
        let operation = Operation::UploadMultipartPart;
        let (outcome, requests) = perform_with_fault(operation, Fault::new(page()));
        outcome.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(requests, 2, "{status}");
        let (outcome, requests) = perform_with_fault(operation, Fault::new(page()).always());
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.is_resumable(), requests), (kind, true, 4), "{status}: {error}");
    }
}

/// The longest ID, of characters that are encoded in paths, and the longest keys fit in a request.
#[test]
fn sends_the_longest_accepted_values() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let mut config = config(&glacier);
    let longest = "k".repeat(32 << 10);
    let upload_with = |config| {
        let upload = Upload::new(&client(config, &CapturedLog::default()), &"v".repeat(255)).unwrap();
        upload.set_upload_id(&"\u{fc}".repeat(512)).unwrap();
        upload
    };
    let error = upload_with(config.clone()).list_parts().unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::NotFound, Some(404)), "{error}");
    config.set_credentials("id", &longest, Some(&longest)).unwrap();
    let error = upload_with(config).list_parts().unwrap_err();
    assert_ne!(error.kind(), Kind::Internal, "{error}");
}

/// A success without the service's tree hash acknowledges nothing.
#[test]
fn retries_a_success_without_tree_hash_three_times() {
    for operation in [Operation::UploadMultipartPart, Operation::CompleteMultipartUpload] {
        let (outcome, requests) = perform_with_fault(operation, Fault::new(Action::MissingTreeHash));
        outcome.unwrap_or_else(|error| panic!("{operation:?}: {error}"));
        assert_eq!(requests, 2, "{operation:?}");
        let (outcome, requests) = perform_with_fault(operation, Fault::new(Action::MissingTreeHash).always());
        let error = outcome.unwrap_err();
        let unknown = operation == Operation::CompleteMultipartUpload;
        assert_eq!(error.kind(), if unknown { Kind::OutcomeUnknown } else { Kind::Protocol }, "{error}");
        assert!(error.is_resumable(), "{error}");
        assert_eq!(requests, 4, "{operation:?}");
    }
}

/// Complete was not sent, so there is no archive.
#[test]
fn complete_without_connection_has_no_unknown_outcome() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let client = client(config(&glacier), &CapturedLog::default());
    let upload = prepared_upload(Operation::CompleteMultipartUpload, &client);
    drop(glacier);
    let error = upload.complete().unwrap_err();
    assert_eq!((error.kind(), error.is_resumable(), upload.state()), (Kind::Network, true, State::Transferring));
    upload.cancel();
    assert_eq!(upload.complete().unwrap_err().kind(), Kind::Canceled);
    assert_eq!(upload.state(), State::Transferring);
}

/// The warning is about an upload that may exist although its ID is unknown.
#[test]
fn warns_of_an_upload_without_parts_only_if_initiate_was_sent() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let lines = CapturedLog::default();
    let (client, left) = client_with_outage(&glacier, ConnectFailure::Tcp, &lines);
    let warnings = || lines.of(Level::Warn).iter().filter(|line| line.contains("an upload without parts")).count();
    left.store(2, Ordering::Relaxed);
    Upload::new(&client, VAULT).unwrap().initiate().unwrap();
    assert_eq!((lines.of(Level::Warn).len(), warnings()), (2, 0));
    glacier.add_fault(
        Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }).on(Operation::InitiateMultipartUpload),
    );
    Upload::new(&client, VAULT).unwrap().initiate().unwrap();
    assert_eq!(warnings(), 1);
}

#[test]
fn retries_an_unknown_host_name_after_the_first_connection() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let (client, left) = client_with_outage(&glacier, ConnectFailure::NameNotFound, &CapturedLog::default());
    left.store(2, Ordering::Relaxed);
    client.list_uploads(VAULT).unwrap();
    left.store(30, Ordering::Relaxed);
    client.list_uploads(VAULT).unwrap();
}

/// No resolver looks up this name, because one of its labels is too long.
#[test]
fn reports_an_unknown_region_or_endpoint_soon() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let (mut config, lines) = (config(&glacier), CapturedLog::default());
    config.set_endpoint(&format!("http://{}.example", "a".repeat(64))).unwrap();
    let error = client(config, &lines).list_uploads(VAULT).unwrap_err();
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::NameNotFound)), "{error}");
    assert!(
        error.message().contains("does not exist") && error.message().contains("the endpoint, which is"),
        "{error}"
    );
    assert_eq!(lines.of(Level::Warn).len(), 2, "three attempts");
}

#[test]
fn retries_an_interrupted_tls_connection_but_not_a_rejected_certificate() {
    let glacier = Emulator::start(Options { tls: true, ..Options::default() }).unwrap();
    let run = |ca_pem: &str| -> std::result::Result<(), Error> {
        let ca = file(ca_pem.as_bytes());
        let mut config = config(&glacier);
        config.set_ca_file(ca.path()).unwrap();
        let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
        upload.set_source_memory(&[7; 300_000]).unwrap();
        upload.run()
    };
    let part = |action| Fault::new(action).on(Operation::UploadMultipartPart);
    glacier.add_fault(part(Action::Reset { after_bytes: Some(100_000) }));
    glacier.add_fault(part(Action::Close { after_bytes: Some(200_000) }).skip(1));
    glacier.add_fault(part(Action::TruncatedAnswer).skip(2));
    run(glacier.ca_pem().unwrap()).unwrap();
    assert_eq!(requests(&glacier, Operation::UploadMultipartPart), 4);

    let (connections, elsewhere) =
        (glacier.connections(), Emulator::start(Options { tls: true, ..Options::default() }).unwrap());
    assert_eq!(run(elsewhere.ca_pem().unwrap()).unwrap_err().kind(), Kind::Tls);
    assert_eq!(glacier.connections(), connections + 1, "no retry");
}
