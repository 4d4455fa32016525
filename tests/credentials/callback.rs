//! Expiring keys: when and on which thread the provider is called, and the state of an upload without a valid key.
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, mpsc};

use crate::support::glacier::{CapturedLog, MIB, VAULT, VirtualClock, archive, client, client_with_transport, config};
use crate::support::operations::{OPERATIONS, perform, prepared_upload, requests};
use crate::support::request_hook::request_hook;
use crate::time::MovedClock;
use glacier_emulator::{Emulator, Operation, Options};
use glacier_mp::client::Client;
use glacier_mp::clock::{Clock, SystemClock};
use glacier_mp::config::Config;
use glacier_mp::credentials::Credentials;
use glacier_mp::error::{Error, Kind, Result};
use glacier_mp::http::Method;
use glacier_mp::log::Level;
use glacier_mp::sign::Key;
use glacier_mp::upload::Upload;
use glacier_mp::upload::state::State;

/// A local Glacier whose session token can expire, and the issuer of valid tokens.
struct ExpiringGlacier {
    glacier: Emulator,
    issuer: Arc<TokenIssuer>,
}

/// Issues session tokens.
#[derive(Default)]
struct TokenIssuer {
    /// The number of the current token.
    number: AtomicI64,
    /// The expiry of issued keys, in seconds since 1970-01-01 UTC; 0: none.
    expires: AtomicI64,
    calls: AtomicUsize,
}

fn token(number: i64) -> String {
    format!("token-number-{number}")
}

impl TokenIssuer {
    fn credentials(&self, number: i64) -> Credentials {
        let Options { access_key, secret_key, .. } = Options::default();
        let expires = Some(self.expires.load(Ordering::SeqCst)).filter(|expires| *expires != 0);
        Credentials { key: Key::new(access_key, secret_key, Some(token(number))), expires }
    }

    fn issue(&self) -> Credentials {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.credentials(self.number.load(Ordering::SeqCst))
    }
}

impl ExpiringGlacier {
    fn start() -> Arc<Self> {
        let options = Options { session_token: Some(token(0)), ..Options::default() };
        Arc::new(Self { glacier: Emulator::start(options).unwrap(), issuer: Arc::default() })
    }

    /// Expires the token. The issuer has the next one.
    fn expire(&self) {
        let next = self.issuer.number.fetch_add(1, Ordering::SeqCst) + 1;
        self.glacier.replace_session_token(&token(next));
    }

    /// Expires the token. The issuer has no valid one.
    fn expire_permanently(&self) {
        self.glacier.replace_session_token("unknown");
    }

    fn calls(&self) -> usize {
        self.issuer.calls.load(Ordering::SeqCst)
    }

    /// Returns settings with a provider that calls the issuer.
    fn config(&self) -> Config {
        let issuer = Arc::clone(&self.issuer);
        self.config_with(move || Ok(issuer.issue()))
    }

    fn config_with(&self, provider: impl Fn() -> Result<Credentials> + Send + Sync + 'static) -> Config {
        let mut config = config(&self.glacier);
        config.set_credentials_provider(Some(Box::new(provider))).unwrap();
        config
    }

    /// Returns the offsets of the acknowledged parts.
    fn acknowledged(&self) -> Vec<u64> {
        let sent = self.glacier.requests().into_iter();
        let sent = sent.filter(|request| request.operation == Some(Operation::UploadMultipartPart));
        let mut starts: Vec<_> =
            sent.filter(|request| request.status == Some(204)).map(|request| request.range.unwrap().0).collect();
        starts.sort_unstable();
        starts
    }

    /// Returns the number of rejected requests.
    fn rejected(&self) -> usize {
        self.glacier.requests().iter().filter(|request| request.status == Some(403)).count()
    }
}

/// Creates an upload of `parts` parts.
fn upload(client: &Arc<Client>, parts: u64) -> (Arc<Upload>, &'static [u8]) {
    let content: Vec<u8> = (0..=250).cycle().take(usize::try_from(parts * MIB).unwrap()).collect();
    let content: &'static [u8] = content.leak();
    let upload = Upload::new(client, VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.set_source_memory(content).unwrap();
    (upload, content)
}

fn starts(parts: u64) -> Vec<u64> {
    (0..parts).map(|index| index * MIB).collect()
}

#[test]
fn calls_the_provider_once_per_expiry() {
    let (service, lines) = (ExpiringGlacier::start(), CapturedLog::default());
    let (expiring, sent) = (Arc::clone(&service), AtomicUsize::new(0));
    let expires = request_hook(move |request| {
        if request.method == Method::Put && [10, 30].contains(&sent.fetch_add(1, Ordering::SeqCst)) {
            expiring.expire();
        }
    });
    let mut config = service.config();
    config.set_concurrency(8).unwrap();
    let client = client_with_transport(config, &lines, Arc::new(VirtualClock::default()), expires);
    let (upload, content) = upload(&client, 48);
    upload.run().unwrap();
    assert_eq!(archive(&service.glacier), content);
    assert_eq!(service.acknowledged(), starts(48), "no part is acknowledged twice");
    assert_eq!(service.calls(), 3, "at the start and at each expiry");
    assert!((2..=16).contains(&service.rejected()), "{}", service.rejected());
    let logged = format!("{lines:?}");
    assert!(logged.contains("ExpiredTokenException") && !logged.contains("token-number"), "{logged}");
    assert!(!logged.contains(&Options::default().secret_key));
}

#[test]
fn parts_rejected_together_wait_for_one_call_of_the_provider() {
    let service = ExpiringGlacier::start();
    let (barrier, sent) = (Barrier::new(8), AtomicUsize::new(0));
    let together = request_hook(move |request| {
        if request.method == Method::Put && sent.fetch_add(1, Ordering::SeqCst) < 8 {
            barrier.wait();
        }
    });
    let client =
        client_with_transport(service.config(), &CapturedLog::default(), Arc::new(VirtualClock::default()), together);
    let upload = Upload::new(&client, VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.initiate().unwrap();
    service.expire();
    std::thread::scope(|scope| {
        for index in 0..8 {
            let upload = &upload;
            scope.spawn(move || upload.put_part(index, &vec![7; 1 << 20], None).unwrap());
        }
    });
    assert_eq!((service.calls(), service.rejected()), (2, 8));
    assert_eq!(service.acknowledged(), starts(8));
}

#[test]
fn each_operation_gets_a_new_key() {
    for operation in OPERATIONS {
        let service = ExpiringGlacier::start();
        let mut config = service.config();
        config.set_max_attempts(1).unwrap();
        let client = client(config, &CapturedLog::default());
        let upload = prepared_upload(operation, &client);
        if operation == Operation::InitiateMultipartUpload {
            client.list_uploads(VAULT).unwrap();
        }
        service.expire();
        perform(operation, &upload, &client).unwrap_or_else(|error| panic!("{operation:?}: {error}"));
        let before = usize::from(operation == Operation::ListMultipartUploads && service.calls() == 1);
        assert_eq!(requests(&service.glacier, operation), 2 + before, "{operation:?}");
        assert_eq!((service.calls(), service.rejected()), (2, 1), "{operation:?}");
    }
}

#[test]
fn accepts_three_expired_keys_from_the_provider() {
    let service = ExpiringGlacier::start();
    let mut config = service.config();
    config.set_concurrency(1).unwrap();
    let client = client(config, &CapturedLog::default());
    let (upload, content) = upload(&client, 2);
    upload.initiate().unwrap();
    service.expire_permanently();
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (Kind::Credentials, Some("ExpiredTokenException")));
    assert!(error.is_resumable(), "{error}");
    assert!(error.message().contains("credentials provider"), "{error}");
    assert_eq!((service.calls(), service.rejected()), (1 + 3, 1 + 3));

    service.expire();
    upload.run().unwrap();
    assert_eq!(archive(&service.glacier), content);
    assert_eq!(service.calls(), 5, "the next call calls the provider again");
}

#[test]
fn expired_token_without_provider_keeps_the_upload() {
    let service = ExpiringGlacier::start();
    let with = |number| {
        let Options { access_key, secret_key, .. } = Options::default();
        let mut config = config(&service.glacier);
        config.set_credentials(&access_key, &secret_key, Some(&token(number))).unwrap();
        config.set_concurrency(1).unwrap();
        config
    };
    let (expiring, sent) = (Arc::clone(&service), AtomicUsize::new(0));
    let expires = request_hook(move |request| {
        if request.method == Method::Put && sent.fetch_add(1, Ordering::SeqCst) == 3 {
            expiring.expire();
        }
    });
    let client = client_with_transport(with(0), &CapturedLog::default(), Arc::new(VirtualClock::default()), expires);
    let (first, content) = upload(&client, 6);
    let error = first.run().unwrap_err();
    assert_eq!((error.kind(), error.is_resumable()), (Kind::Credentials, true));
    let id = first.id().unwrap().to_str().unwrap();
    for word in ["the session token has expired", "fresh credentials", id] {
        assert!(error.message().contains(word), "{error}");
    }
    assert_eq!(service.rejected(), 1);

    let fresh = crate::support::glacier::client(with(1), &CapturedLog::default());
    let second = Upload::new(&fresh, VAULT).unwrap();
    second.set_upload_id(id).unwrap();
    second.set_source_memory(content).unwrap();
    second.run().unwrap();
    assert_eq!(archive(&service.glacier), content);
    assert_eq!(service.acknowledged(), starts(6));
}

#[test]
fn replaces_a_key_before_the_service_rejects_it() {
    let (service, clock) = (ExpiringGlacier::start(), Arc::new(MovedClock::default()));
    let start = clock.unix_time();
    service.issuer.expires.store(start + 3600, Ordering::SeqCst);
    let client = client_with_transport(service.config(), &CapturedLog::default(), clock.clone(), |transport| {
        Arc::new(transport)
    });
    let list_at = |seconds| {
        clock.move_to(seconds);
        service.glacier.set_clock_offset(seconds);
        client.list_uploads(VAULT).unwrap();
        service.calls()
    };
    assert_eq!(list_at(0), 1);
    assert_eq!(list_at(3600 - 360), 1, "six minutes are left");
    service.issuer.expires.store(start + 3600 + 200, Ordering::SeqCst);
    assert_eq!(list_at(3600 - 240), 2, "four minutes are left");
    assert_eq!(list_at(3600 - 100), 2, "more than half of its lifetime of 440 s is left");
    assert_eq!(list_at(3600), 3, "less than half is left");
    assert_eq!(service.rejected(), 0);
}

/// The machine's clock is five hours ahead. After the correction, the lifetime of keys uses the service's clock.
#[test]
fn key_lifetime_uses_the_service_clock() {
    let (service, clock) = (ExpiringGlacier::start(), Arc::new(MovedClock::default()));
    let start = clock.unix_time();
    let client = client_with_transport(service.config(), &CapturedLog::default(), clock.clone(), |transport| {
        Arc::new(transport)
    });
    let list_at = |seconds| {
        clock.move_to(5 * 3600 + seconds);
        service.glacier.set_clock_offset(seconds);
        client.list_uploads(VAULT).unwrap();
        (service.calls(), service.rejected())
    };
    assert_eq!(list_at(0), (1, 1), "rejected for the time");
    service.issuer.expires.store(start + 3600, Ordering::SeqCst);
    service.expire();
    assert_eq!(list_at(0), (2, 2), "rejected for the token");
    assert_eq!(list_at(3000), (2, 2));
    assert_eq!(list_at(3400), (3, 2), "replaced before it is rejected");
}

/// Before the service's clock is known, the machine's clock does not expire keys.
#[test]
fn wrong_clock_does_not_expire_keys() {
    let service = ExpiringGlacier::start();
    let hour = 3600;
    service.glacier.set_clock_offset(-5 * hour);
    service.issuer.expires.store(SystemClock::new().unix_time() - 4 * hour, Ordering::SeqCst);
    let client = client(service.config(), &CapturedLog::default());
    let (upload, content) = upload(&client, 3);
    upload.run().unwrap();
    assert_eq!(archive(&service.glacier), content);
    assert_eq!(service.calls(), 1, "valid for another hour of the service's clock");
}

fn config_with_failing_provider(service: &ExpiringGlacier, fails: &Arc<AtomicBool>) -> Config {
    let (issuer, fails) = (Arc::clone(&service.issuer), Arc::clone(fails));
    service.config_with(move || match fails.load(Ordering::SeqCst) {
        true => Err(Error::new(Kind::Callback, "the credentials provider did not return GLACIER_CONTINUE")),
        false => Ok(issuer.issue()),
    })
}

/// Nothing was sent, so even the outcome of Complete is known.
#[test]
fn failing_provider_ends_each_operation_and_keeps_the_upload() {
    for operation in OPERATIONS {
        let (service, fails) = (ExpiringGlacier::start(), Arc::new(AtomicBool::new(false)));
        let client = client(config_with_failing_provider(&service, &fails), &CapturedLog::default());
        let upload = prepared_upload(operation, &client);
        client.list_uploads(VAULT).unwrap();
        service.expire();
        fails.store(true, Ordering::SeqCst);
        let state = upload.state();
        let error = perform(operation, &upload, &client).unwrap_err();
        assert_eq!(error.kind(), Kind::Callback, "{operation:?}: {error}");
        if operation != Operation::ListMultipartUploads {
            assert_eq!(error.is_resumable(), operation != Operation::InitiateMultipartUpload, "{operation:?}");
        }
        if operation != Operation::UploadMultipartPart {
            assert_eq!(upload.state(), state, "{operation:?}");
        }
        fails.store(false, Ordering::SeqCst);
        perform(operation, &upload, &client).unwrap_or_else(|error| panic!("{operation:?}: {error}"));
    }
}

#[test]
fn resumes_at_complete_after_the_provider_failed() {
    let (service, fails) = (ExpiringGlacier::start(), Arc::new(AtomicBool::new(false)));
    let (expiring, failing_now) = (Arc::clone(&service), Arc::clone(&fails));
    let expires = request_hook(move |request| {
        if request.headers.iter().any(|(name, _)| *name == "x-amz-archive-size") && expiring.rejected() == 0 {
            expiring.expire();
            failing_now.store(true, Ordering::SeqCst);
        }
    });
    let client = client_with_transport(
        config_with_failing_provider(&service, &fails),
        &CapturedLog::default(),
        Arc::new(VirtualClock::default()),
        expires,
    );
    let (upload, content) = upload(&client, 2);
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.is_resumable(), upload.state()), (Kind::Callback, true, State::Transferring));
    fails.store(false, Ordering::SeqCst);
    upload.run().unwrap();
    assert_eq!(archive(&service.glacier), content);
    assert_eq!(service.acknowledged(), starts(2));
}

#[test]
fn panic_of_the_provider_ends_the_wait() {
    let (service, panics) = (ExpiringGlacier::start(), Arc::new(AtomicBool::new(true)));
    let (issuer, now) = (Arc::clone(&service.issuer), Arc::clone(&panics));
    let config = service.config_with(move || {
        assert!(!now.swap(false, Ordering::SeqCst), "a provider's own defect");
        Ok(issuer.issue())
    });
    let client = client(config, &CapturedLog::default());
    let (upload, _) = upload(&client, 2);
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Panic);
    assert!(error.message().contains("a provider's own defect"), "{error}");
    upload.run().unwrap();
}

#[test]
fn provider_runs_on_the_callers_thread_and_cannot_reenter() {
    let service = ExpiringGlacier::start();
    let here = std::thread::current().id();
    let handles: Arc<OnceLock<(Arc<Client>, Arc<Upload>)>> = Arc::default();
    let refused = Arc::new(Mutex::new(Vec::new()));
    let (inside, seen, issuer) = (Arc::clone(&handles), Arc::clone(&refused), Arc::clone(&service.issuer));
    let config = service.config_with(move || {
        assert_eq!(std::thread::current().id(), here);
        let (client, upload) = inside.get().unwrap();
        let calls = [
            upload.run().unwrap_err(),
            upload.list_parts().unwrap_err(),
            upload.set_progress(None).unwrap_err(),
            Upload::new(client, VAULT).unwrap_err(),
            client.list_uploads(VAULT).unwrap_err(),
        ];
        seen.lock().unwrap().extend(calls.iter().map(Error::kind));
        assert_eq!((upload.state(), upload.progress().unwrap().parts_done), (State::New, 0));
        Ok(issuer.issue())
    });
    let client = client(config, &CapturedLog::default());
    let (upload, _) = upload(&client, 2);
    assert!(handles.set((Arc::clone(&client), Arc::clone(&upload))).is_ok());
    upload.run().unwrap();
    assert_eq!(*refused.lock().unwrap(), [Kind::Busy; 5]);
}

#[test]
fn provider_can_cancel_and_free_the_upload() {
    for free in [false, true] {
        let service = ExpiringGlacier::start();
        let handle: Arc<OnceLock<Arc<Upload>>> = Arc::default();
        let (inside, issuer) = (Arc::clone(&handle), Arc::clone(&service.issuer));
        let config = service.config_with(move || {
            let upload = inside.get().unwrap();
            if free {
                upload.release()
            } else {
                upload.cancel()
            }
            Ok(issuer.issue())
        });
        let client = client(config, &CapturedLog::default());
        let (upload, _) = upload(&client, 2);
        assert!(handle.set(Arc::clone(&upload)).is_ok());
        assert_eq!(upload.run().unwrap_err().kind(), Kind::Canceled);
        assert!(service.glacier.requests().is_empty());
    }
}

#[test]
fn canceled_call_does_not_call_the_provider() {
    let service = ExpiringGlacier::start();
    let handle: Arc<OnceLock<Arc<Upload>>> = Arc::default();
    let (inside, cancels) = (Arc::clone(&handle), Arc::new(AtomicBool::new(false)));
    let now = Arc::clone(&cancels);
    let mut config = service.config();
    // The log message precedes the call of the provider.
    let log = move |_, _: &std::ffi::CStr| {
        if now.load(Ordering::SeqCst) {
            inside.get().unwrap().cancel();
        }
    };
    config.set_log(Level::Debug, Some(Box::new(log))).unwrap();
    let client = Client::new(&config).unwrap();
    let upload = Upload::new(&client, VAULT).unwrap();
    assert!(handle.set(Arc::clone(&upload)).is_ok());
    upload.initiate().unwrap();
    service.expire();
    cancels.store(true, Ordering::SeqCst);
    assert_eq!(upload.list_parts().unwrap_err().kind(), Kind::Canceled);
    assert_eq!((service.calls(), service.rejected()), (1, 1));
}

/// While one upload's thread is inside a slow provider, the threads of other uploads wait and can be canceled.
#[test]
fn slow_provider_does_not_block_cancellation() {
    let service = ExpiringGlacier::start();
    let (entered, inside) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let (entered, left, issuer) = (Mutex::new(entered), Mutex::new(left), Arc::clone(&service.issuer));
    let config = service.config_with(move || {
        entered.lock().unwrap().send(()).unwrap();
        left.lock().unwrap().recv().unwrap();
        Ok(issuer.issue())
    });
    let client = client(config, &CapturedLog::default());
    let ((slow, _), (waiting, _), (patient, _)) = (upload(&client, 1), upload(&client, 1), upload(&client, 1));
    std::thread::scope(|scope| {
        // Dropped if an assertion fails, so that the provider returns.
        let leave = leave;
        let slow = scope.spawn(move || slow.run());
        inside.recv().unwrap();
        let patient = scope.spawn(move || patient.run());
        let canceled = scope.spawn(|| waiting.run());
        waiting.cancel();
        assert_eq!(canceled.join().unwrap().unwrap_err().kind(), Kind::Canceled);
        assert!(inside.try_recv().is_err() && !slow.is_finished() && !patient.is_finished());
        leave.send(()).unwrap();
        slow.join().unwrap().unwrap();
        patient.join().unwrap().unwrap();
    });
    assert_eq!(service.calls(), 1);
}

#[test]
fn last_credentials_setting_applies() {
    let service = ExpiringGlacier::start();
    let Options { access_key, secret_key, .. } = Options::default();
    let list =
        |config: Config| client(config, &CapturedLog::default()).list_uploads(VAULT).map_err(|error| error.kind());

    let mut config = service.config();
    config.set_credentials(&access_key, &secret_key, Some("wrong")).unwrap();
    assert_eq!(list(config), Err(Kind::Credentials));
    assert_eq!(service.calls(), 0);

    let mut config = crate::support::glacier::config(&service.glacier);
    config.set_credentials(&access_key, &secret_key, Some("wrong")).unwrap();
    let issuer = Arc::clone(&service.issuer);
    config.set_credentials_provider(Some(Box::new(move || Ok(issuer.issue())))).unwrap();
    assert_eq!(list(config), Ok(Vec::new()));
    assert_eq!(service.calls(), 1);
}
