//! What stops an exchange: a cancel in each of its phases, and nothing moving for too long.

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
use glacier_mp::http::{Endpoint, RequestContext, Settings};

use crate::client::{Source, connect, connection, get, put, settings, watch};
use crate::server::{Peer, Server, always, named};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// The promise is 250 ms; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(1);
const LENGTH: u64 = 4 << 30;

#[test]
fn canceled_before_anything() {
    let server = Server::plain(always(OK));
    let watch = watch();
    watch.cancel.raise();
    let mut connection = connect(&server);
    assert_eq!(connection.open(&watch).unwrap_err().kind(), Kind::Canceled);
    assert_eq!(put(&mut *connection, 1, &mut Source::default(), &watch).unwrap_err().kind(), Kind::Canceled);
    assert_eq!(server.connections(), 0);
}

#[test]
fn canceled_while_connecting() {
    let black_hole = BlackHole::new();
    canceled_soon("while connecting", &black_hole.settings(), |canceler| canceler.raise_when_waiting());
}

#[test]
fn canceled_while_shaking_hands() {
    let (tell, told) = signal();
    let server = Server::plain(move |peer| {
        peer.payload(10);
        tell();
        peer.hold();
    });
    let endpoint = Endpoint::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
    canceled_soon("in the handshake", &Settings { endpoint, ..settings(&server) }, |canceler| canceler.raise_at(told));
}

#[test]
fn canceled_while_the_payload_flows() {
    for tls in [false, true] {
        let (tell, told) = signal();
        let server = Server::either(tls, move |peer| {
            peer.request();
            peer.payload(20 << 20);
            tell();
            peer.drain();
        });
        canceled_soon("while the payload flows", &settings(&server), |canceler| canceler.raise_at(told));
    }
}

#[test]
fn canceled_while_the_payload_is_stuck() {
    for tls in [false, true] {
        let (tell, told) = signal();
        let server = Server::either(tls, move |peer| {
            peer.request();
            tell();
            peer.hold();
        });
        canceled_soon("while the payload is stuck", &settings(&server), move |canceler| {
            told.recv().unwrap();
            canceler.raise_when_waiting();
        });
    }
}

#[test]
fn canceled_while_the_payload_waits_for_bandwidth() {
    let (tell, told) = signal();
    let server = Server::plain(move |peer| {
        peer.request();
        peer.payload(1);
        tell();
        peer.hold();
    });
    let watch = RequestContext { bandwidth: Some(one_byte_a_second()), ..watch() };
    let canceler = Canceler::new(&watch);
    let raised = canceler.clone();
    named("canceler", move || raised.raise_at(told));
    let error = put(&mut *connect(&server), LENGTH, &mut Source::default(), &watch).unwrap_err();
    canceler.check("while the payload waits for bandwidth", &error);
}

#[test]
fn canceled_while_waiting_for_the_answer() {
    let (tell, told) = signal();
    let server = Server::plain(move |peer| {
        peer.whole_request();
        tell();
        peer.hold();
    });
    let watch = watch();
    let canceler = Canceler::new(&watch);
    let raised = canceler.clone();
    named("canceler", move || raised.raise_at(told));
    let error = put(&mut *connect(&server), 1000, &mut Source::default(), &watch).unwrap_err();
    canceler.check("while waiting for the answer", &error);
}

#[test]
fn canceled_within_the_answer() {
    let (tell, told) = signal();
    let server = Server::plain(move |peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of");
        tell();
        peer.hold();
    });
    let watch = watch();
    let canceler = Canceler::new(&watch);
    let raised = canceler.clone();
    named("canceler", move || raised.raise_at(told));
    let error = put(&mut *connect(&server), 1000, &mut Source::default(), &watch).unwrap_err();
    canceler.check("within the answer", &error);
}

/// The filler that stands for the rest of the payload is endless work when the part is large.
#[test]
fn canceled_after_an_early_answer() {
    let server = Server::plain(|peer| {
        peer.request();
        peer.payload(1000);
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        peer.hold();
    });
    let watch = watch();
    let canceler = Canceler::new(&watch);
    let raised = canceler.clone();
    // Raised once the answer must have been noticed, since the source is asked no more.
    let source = Source::default();
    let asked = source.clone();
    named("canceler", move || {
        let mut last = 0;
        while asked.was_read() == 0 || asked.was_read() != std::mem::replace(&mut last, asked.was_read()) {
            thread::sleep(Duration::from_millis(50));
        }
        raised.raise();
    });
    let error = put(&mut *connect(&server), u64::MAX, &mut source.clone(), &watch).unwrap_err();
    canceler.check("after an early answer", &error);
}

#[test]
fn a_canceled_exchange_with_grace_still_takes_its_answer() {
    let (tell, told) = signal();
    let (go, wait) = signal();
    let wait = Mutex::new(wait);
    let server = Server::plain(move |peer| {
        peer.whole_request();
        tell();
        wait.lock().unwrap().recv().unwrap();
        peer.send(OK);
    });
    let watch = RequestContext { grace: Duration::from_secs(30), ..watch() };
    let cancel = watch.cancel.clone();
    named("canceler", move || {
        told.recv().unwrap();
        cancel.raise();
        thread::sleep(Duration::from_millis(200));
        go();
    });
    assert_eq!(put(&mut *connect(&server), 1000, &mut Source::default(), &watch).unwrap().status, 200);
}

#[test]
fn grace_ends() {
    let (tell, told) = signal();
    let server = Server::plain(move |peer| {
        peer.whole_request();
        tell();
        peer.hold();
    });
    let watch = RequestContext { grace: Duration::from_millis(300), ..watch() };
    let canceler = Canceler::new(&watch);
    let raised = canceler.clone();
    named("canceler", move || raised.raise_at(told));
    let error = put(&mut *connect(&server), 1000, &mut Source::default(), &watch).unwrap_err();
    assert!(canceler.age() >= watch.grace);
    canceler.check("with 300 ms of grace", &error);
}

#[test]
fn nobody_takes_the_connection() {
    let black_hole = BlackHole::new();
    let settings = Settings { connect_timeout: Duration::from_millis(300), ..black_hole.settings() };
    let error = connection(settings).open(&watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("300ms"), "{error}");
}

#[test]
fn nobody_reads_the_payload() {
    for tls in [false, true] {
        let server = Server::either(tls, |peer| {
            peer.request();
            peer.hold();
        });
        let (settings, watch) = (impatient(&server), watch());
        let error = put(&mut *connection(settings), LENGTH, &mut Source::default(), &watch).unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout, "{error}");
        assert!(error.message().contains("300ms"), "{error}");
    }
}

/// What the kernels hold between the two ends was not taken by the server, but what was counted had reached its machine.
#[test]
fn only_what_arrived_counts_as_sent() {
    let server = Server::plain(|peer| {
        peer.request();
        peer.hold();
    });
    let (source, watch) = (Source::default(), watch());
    put(&mut *connection(impatient(&server)), LENGTH, &mut source.clone(), &watch).unwrap_err();
    let (read, sent) = (source.was_read(), watch.sent.load(Ordering::SeqCst));
    assert!(sent > 0 && sent < read, "{sent} of {read}");
}

#[test]
fn nobody_answers() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.hold();
    });
    let error = get(&mut *connection(impatient(&server))).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("no response was received within 300ms"), "{error}");
}

#[test]
fn the_rest_of_the_answer_does_not_come() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of");
        peer.hold();
    });
    let error = get(&mut *connection(impatient(&server))).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
}

#[test]
fn an_answer_may_be_given_its_own_time() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        thread::sleep(Duration::from_millis(800));
        peer.send(OK);
        peer.drain();
    });
    let patient = RequestContext { response_timeout: Some(Duration::from_secs(30)), ..watch() };
    put(&mut *connection(impatient(&server)), 10, &mut Source::default(), &patient).unwrap();

    let hasty = RequestContext { response_timeout: Some(Duration::from_millis(100)), ..watch() };
    let error = put(&mut *connect(&server), 10, &mut Source::default(), &hasty).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("100ms"), "{error}");
}

/// The time that the source takes is not the network's.
#[test]
fn a_slow_source_is_no_stall() {
    struct Slow(Source);
    impl Read for Slow {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(400));
            self.0.read(buf)
        }
    }
    let server = Server::plain(always(OK));
    put(&mut *connection(impatient(&server)), 10, &mut Slow(Source::default()), &watch()).unwrap();
}

#[test]
fn waiting_for_bandwidth_is_not_stalled() {
    let server = Server::plain(always(OK));
    let watch = RequestContext { bandwidth: Some(one_byte_a_second()), ..watch() };
    put(&mut *connection(impatient(&server)), 2, &mut Source::default(), &watch).unwrap();
}

/// The client's kernel takes the whole payload at once, and takes longer to deliver it than nothing may move.
#[test]
fn what_the_kernel_still_delivers_is_not_stalled() {
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
        put(&mut *connection(settings), length, &mut Source::default(), &watch()).unwrap();
    }
}

fn one_byte_a_second() -> Arc<TokenBucket> {
    Arc::new(TokenBucket::new(1, Arc::new(SystemClock::new())))
}

fn impatient(server: &Server) -> Settings {
    Settings { stall_timeout: Duration::from_millis(300), ..settings(server) }
}

/// Puts an endless payload, cancels it as `when` says, and checks that it ended soon.
fn canceled_soon(what: &str, settings: &Settings, when: impl FnOnce(Canceler) + Send + 'static) {
    let watch = watch();
    let canceler = Canceler::new(&watch);
    let raised = canceler.clone();
    named("canceler", move || when(raised));
    let error = put(&mut *connection(settings.clone()), LENGTH, &mut Source::default(), &watch).unwrap_err();
    canceler.check(what, &error);
}

/// Raises the cancel, and knows when it did.
#[derive(Clone)]
struct Canceler(RequestContext, Arc<Mutex<Option<Instant>>>);

impl Canceler {
    fn new(watch: &RequestContext) -> Self {
        Self(watch.clone(), Arc::default())
    }

    fn raise(&self) {
        *self.1.lock().unwrap() = Some(Instant::now());
        self.0.cancel.raise();
    }

    fn raise_at(&self, told: Receiver<()>) {
        told.recv().unwrap();
        self.raise();
    }

    /// Leaves the exchange the time to come to where it can only wait. Too short, and the cancel just comes earlier.
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

/// One end tells, from any thread, the other hears.
fn signal() -> (impl Fn() + Send + Sync + 'static, Receiver<()>) {
    let (sender, receiver): (Sender<()>, _) = mpsc::channel();
    (move || sender.send(()).unwrap_or(()), receiver)
}

/// A port that neither takes nor refuses connections: its listener accepts none, and its queue is full.
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
        let nobody = Server::plain(|_: &mut Peer| {});
        Settings { endpoint: Endpoint::parse(&format!("http://{}", self.address)).unwrap(), ..settings(&nobody) }
    }
}
