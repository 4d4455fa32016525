//! Cancellation in each phase of an exchange, and the stall and response timeouts.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use glacier_mp::bandwidth::TokenBucket;
use glacier_mp::clock::SystemClock;
use glacier_mp::error::{Error, Kind};
use glacier_mp::http::{Endpoint, RequestContext};

use crate::client::{Settings, Source, connect, connection, context, get, put, settings};
use crate::server::{Peer, Server, always};
use crate::support::acceptor::named;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// The guarantee is 250 ms. The rest is for a busy machine.
const SOON: Duration = Duration::from_secs(1);
const LENGTH: u64 = 4 << 30;

#[test]
fn canceled_before_connecting() {
    let server = Server::plain(always(OK));
    let context = context();
    context.cancel.raise();
    let mut connection = connect(&server);
    assert_eq!(connection.open(&context).unwrap_err().kind(), Kind::Canceled);
    assert_eq!(put(&mut *connection, 1, &mut Source::default(), &context).unwrap_err().kind(), Kind::Canceled);
    assert_eq!(server.connections(), 0);
}

#[test]
fn canceled_while_connecting() {
    let black_hole = BlackHole::new();
    canceled_soon("while connecting", &black_hole.settings(), LENGTH, context(), |canceler| {
        canceler.raise_when_waiting()
    });
}

#[test]
fn canceled_during_the_handshake() {
    let (send, sent) = signal();
    let server = Server::plain(move |peer| {
        peer.payload(10);
        send();
        peer.hold();
    });
    let endpoint = Endpoint::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
    canceled_soon("in the handshake", &Settings { endpoint, ..settings(&server) }, LENGTH, context(), |canceler| {
        canceler.raise_at(sent)
    });
}

#[test]
fn canceled_while_sending_the_payload() {
    for tls in [false, true] {
        let (send, sent) = signal();
        let server = Server::either(tls, move |peer| {
            peer.request();
            peer.payload(20 << 20);
            send();
            peer.drain();
        });
        canceled_soon("while the payload flows", &settings(&server), LENGTH, context(), |canceler| {
            canceler.raise_at(sent)
        });
    }
}

#[test]
fn canceled_while_sending_stalls() {
    for tls in [false, true] {
        let (send, sent) = signal();
        let server = Server::either(tls, move |peer| {
            peer.request();
            send();
            peer.hold();
        });
        canceled_soon("while the payload is stuck", &settings(&server), LENGTH, context(), move |canceler| {
            sent.recv().unwrap();
            canceler.raise_when_waiting();
        });
    }
}

#[test]
fn canceled_while_waiting_for_bandwidth() {
    let (send, sent) = signal();
    let server = Server::plain(move |peer| {
        peer.request();
        peer.payload(1);
        send();
        peer.hold();
    });
    let context = RequestContext { bandwidth: Some(one_byte_a_second()), ..context() };
    let what = "while the payload waits for bandwidth";
    canceled_soon(what, &settings(&server), LENGTH, context, |canceler| canceler.raise_at(sent));
}

#[test]
fn canceled_while_waiting_for_the_response() {
    let (send, sent) = signal();
    let server = Server::plain(move |peer| {
        peer.whole_request();
        send();
        peer.hold();
    });
    canceled_soon("while waiting for the response", &settings(&server), 1000, context(), |canceler| {
        canceler.raise_at(sent)
    });
}

#[test]
fn canceled_within_the_response() {
    let (send, sent) = signal();
    let server = Server::plain(move |peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of");
        send();
        peer.hold();
    });
    canceled_soon("within the response", &settings(&server), 1000, context(), |canceler| canceler.raise_at(sent));
}

/// After an early response, ureq still reads the rest of the payload. For a large part this takes long.
#[test]
fn canceled_after_an_early_response() {
    let server = Server::plain(|peer| {
        peer.request();
        peer.payload(1000);
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        peer.hold();
    });
    let context = context();
    let canceler = Canceler::new(&context);
    let raised = canceler.clone();
    // Raised when the source is no longer read, so the early response has been noticed.
    let source = Source::default();
    let asked = source.clone();
    named("canceler", move || {
        let mut last = 0;
        while asked.was_read() == 0 || asked.was_read() != std::mem::replace(&mut last, asked.was_read()) {
            thread::sleep(Duration::from_millis(50));
        }
        raised.raise();
    });
    let error = put(&mut *connect(&server), u64::MAX, &mut source.clone(), &context).unwrap_err();
    canceler.check("after an early response", &error);
}

#[test]
fn returns_a_response_within_the_grace_period_of_a_cancel() {
    let (send, sent) = signal();
    let (go, wait) = signal();
    let wait = Mutex::new(wait);
    let server = Server::plain(move |peer| {
        peer.whole_request();
        send();
        wait.lock().unwrap().recv().unwrap();
        peer.send(OK);
    });
    let context = RequestContext { grace: Duration::from_secs(30), ..context() };
    let cancel = context.cancel.clone();
    named("canceler", move || {
        sent.recv().unwrap();
        cancel.raise();
        thread::sleep(Duration::from_millis(200));
        go();
    });
    assert_eq!(put(&mut *connect(&server), 1000, &mut Source::default(), &context).unwrap().status, 200);
}

#[test]
fn cancels_after_the_grace_period() {
    let (send, sent) = signal();
    let server = Server::plain(move |peer| {
        peer.whole_request();
        send();
        peer.hold();
    });
    let context = RequestContext { grace: Duration::from_millis(300), ..context() };
    let canceler = Canceler::new(&context);
    let raised = canceler.clone();
    named("canceler", move || raised.raise_at(sent));
    let error = put(&mut *connect(&server), 1000, &mut Source::default(), &context).unwrap_err();
    assert!(canceler.age() >= context.grace);
    canceler.check("with 300 ms of grace", &error);
}

#[test]
fn times_out_if_the_connection_is_not_accepted() {
    let black_hole = BlackHole::new();
    let settings = Settings { connect_timeout: Duration::from_millis(300), ..black_hole.settings() };
    let error = connection(settings).open(&context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("300ms"), "{error}");
}

#[test]
fn times_out_if_the_payload_is_not_read() {
    for tls in [false, true] {
        let server = Server::either(tls, |peer| {
            peer.request();
            peer.hold();
        });
        let (settings, context) = (impatient(&server), context());
        let error = put(&mut *connection(settings), LENGTH, &mut Source::default(), &context).unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout, "{error}");
        assert!(error.message().contains("300ms"), "{error}");
    }
}

/// The server did not read the bytes in the kernel buffers, but its kernel acknowledged the counted bytes.
#[test]
fn counts_only_acknowledged_bytes_as_sent() {
    let server = Server::plain(|peer| {
        peer.request();
        peer.hold();
    });
    let (source, context) = (Source::default(), context());
    put(&mut *connection(impatient(&server)), LENGTH, &mut source.clone(), &context).unwrap_err();
    let (read, sent) = (source.was_read(), context.sent.load(Ordering::SeqCst));
    assert!(sent > 0 && sent < read, "{sent} of {read}");
}

#[test]
fn times_out_without_a_response() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.hold();
    });
    let error = get(&mut *connection(impatient(&server))).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("no response was received within 300ms"), "{error}");
}

#[test]
fn times_out_within_the_response() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of");
        peer.hold();
    });
    let error = get(&mut *connection(impatient(&server))).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
}

#[test]
fn response_timeout_overrides_the_stall_timeout() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        thread::sleep(Duration::from_millis(800));
        peer.send(OK);
        peer.drain();
    });
    let patient = RequestContext { response_timeout: Some(Duration::from_secs(30)), ..context() };
    put(&mut *connection(impatient(&server)), 10, &mut Source::default(), &patient).unwrap();

    let hasty = RequestContext { response_timeout: Some(Duration::from_millis(100)), ..context() };
    let error = put(&mut *connect(&server), 10, &mut Source::default(), &hasty).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("100ms"), "{error}");
}

/// The time spent in the source does not count for the stall timeout.
#[test]
fn slow_source_is_no_stall() {
    struct Slow(Source);
    impl Read for Slow {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(400));
            self.0.read(buf)
        }
    }
    let server = Server::plain(always(OK));
    put(&mut *connection(impatient(&server)), 10, &mut Slow(Source::default()), &context()).unwrap();
}

#[test]
fn waiting_for_bandwidth_is_no_stall() {
    let server = Server::plain(always(OK));
    let context = RequestContext { bandwidth: Some(one_byte_a_second()), ..context() };
    put(&mut *connection(impatient(&server)), 2, &mut Source::default(), &context).unwrap();
}

/// The client's kernel accepts the whole payload at once, but delivers it in a longer time than the stall timeout.
#[test]
fn delivery_by_the_kernel_is_no_stall() {
    for tls in [false, true] {
        let server = Server::either(tls, |peer| {
            peer.narrow();
            peer.request();
            for _ in 0..150 {
                peer.payload(16 << 10);
                thread::sleep(Duration::from_millis(15));
            }
            peer.send(OK);
            peer.drain();
        });
        let settings = Settings { stall_timeout: Duration::from_millis(700), ..settings(&server) };
        let length = 150 * (16 << 10);
        put(&mut *connection(settings), length, &mut Source::default(), &context()).unwrap();
    }
}

fn one_byte_a_second() -> Arc<TokenBucket> {
    Arc::new(TokenBucket::new(1, Arc::new(SystemClock::new())))
}

fn impatient(server: &Server) -> Settings {
    Settings { stall_timeout: Duration::from_millis(300), ..settings(server) }
}

/// Sends a payload of `length` bytes, lets `when` cancel it, and checks that it ends soon.
pub(crate) fn canceled_soon(
    what: &str,
    settings: &Settings,
    length: u64,
    context: RequestContext,
    when: impl FnOnce(Canceler) + Send + 'static,
) {
    let canceler = Canceler::new(&context);
    let raised = canceler.clone();
    named("canceler", move || when(raised));
    let error = put(&mut *connection(settings.clone()), length, &mut Source::default(), &context).unwrap_err();
    canceler.check(what, &error);
}

/// Raises the cancel token and records the time.
#[derive(Clone)]
pub(crate) struct Canceler(RequestContext, Arc<Mutex<Option<Instant>>>);

impl Canceler {
    fn new(context: &RequestContext) -> Self {
        Self(context.clone(), Arc::default())
    }

    fn raise(&self) {
        *self.1.lock().unwrap() = Some(Instant::now());
        self.0.cancel.raise();
    }

    pub(crate) fn raise_at(&self, signal: Receiver<()>) {
        signal.recv().unwrap();
        self.raise();
    }

    /// Raises the cancel after a time in which the exchange should have started to wait. If the time is too short, the cancel only
    /// comes earlier.
    fn raise_when_waiting(&self) {
        thread::sleep(Duration::from_millis(300));
        self.raise();
    }

    fn age(&self) -> Duration {
        self.1.lock().unwrap().expect("not raised").elapsed()
    }

    fn check(&self, what: &str, error: &Error) {
        let age = self.age();
        assert_eq!(error.kind(), Kind::Canceled, "{error}");
        println!("canceled {what}: back after {age:?}");
        assert!(age < SOON + self.0.grace, "canceled {what}: {age:?}");
    }
}

/// A signal: a function that sends it from any thread, and its receiver.
pub(crate) fn signal() -> (impl Fn() + Send + Sync + 'static, Receiver<()>) {
    let (sender, receiver): (Sender<()>, _) = mpsc::channel();
    (move || sender.send(()).unwrap_or(()), receiver)
}

/// A port that neither accepts nor refuses connections, because the queue of its listener is full.
struct BlackHole {
    address: SocketAddr,
    _listener: socket2::Socket,
    _queued: Vec<socket2::Socket>,
}

impl BlackHole {
    fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let queued = (0..8).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            socket
        });
        Self { address: address.as_socket().unwrap(), _queued: queued.collect(), _listener: listener }
    }

    fn settings(&self) -> Settings {
        let other_server = Server::plain(|_: &mut Peer| {});
        Settings { endpoint: Endpoint::parse(&format!("http://{}", self.address)).unwrap(), ..settings(&other_server) }
    }
}
