//! Network outages, with a virtual clock.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use glacier_emulator::Options;
use glacier_mp::clock::Clock;
use glacier_mp::error::{ConnectFailure, Error, Kind, Result};
use glacier_mp::http::{Connection, Request, RequestContext, Response, Transport, UreqTransport};

use crate::fixture::{Content, Fixture, MIB, Setup, SourceKind};
use crate::support::glacier::{CapturedLog, VirtualClock, client_with_transport};

/// The requests of an upload of three parts by one worker: Initiate, the parts, Complete.
const REQUESTS: usize = 5;
const COMPLETE: usize = REQUESTS - 1;

/// A network with one outage.
#[derive(Debug)]
struct Network {
    clock: Arc<VirtualClock>,
    /// The number of the request, from 0, at which the outage begins.
    begins: usize,
    /// Whether the service receives that request and only its response is lost.
    response_is_lost: bool,
    lasts: Duration,
    requests: AtomicUsize,
    ends: Mutex<Option<Duration>>,
}

impl Network {
    fn is_down(&self) -> bool {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.is_some_and(|ends| self.clock.monotonic() < ends)
    }

    /// Counts a request. Returns whether the outage begins with it.
    fn begins_now(&self) -> bool {
        let begins = self.requests.fetch_add(1, Ordering::Relaxed) == self.begins;
        if begins {
            *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.monotonic() + self.lasts);
        }
        begins
    }
}

#[derive(Debug)]
struct OutageTransport {
    transport: UreqTransport,
    network: Arc<Network>,
}

impl Transport for OutageTransport {
    fn connection(&self) -> Box<dyn Connection> {
        let connection = self.transport.connection();
        Box::new(OutageConnection { connection, network: Arc::clone(&self.network) })
    }
}

#[derive(Debug)]
struct OutageConnection {
    connection: Box<dyn Connection>,
    network: Arc<Network>,
}

impl Connection for OutageConnection {
    fn open(&mut self, watch: &RequestContext) -> Result<()> {
        if self.network.is_down() {
            return Err(Error::new(Kind::Network, "there is an outage").not_connected(ConnectFailure::Tcp));
        }
        self.connection.open(watch)
    }

    fn exchange(&mut self, request: &Request, payload: &mut dyn BufRead, watch: &RequestContext) -> Result<Response> {
        let lost = || Error::new(Kind::Network, "the connection is lost in an outage");
        if !self.network.begins_now() {
            return self.connection.exchange(request, payload, watch);
        }
        if self.network.response_is_lost {
            self.connection.exchange(request, payload, watch)?;
        }
        Err(lost())
    }
}

/// Uploads three parts by one worker through an outage, with the default retry settings. Checks the archive and the request
/// history, and returns the number of retries.
fn upload_through(begins: usize, response_is_lost: bool, seconds: u64, setup: Setup) -> u64 {
    let content = Arc::new(Content::new(0, 2 * MIB + 300_000, MIB));
    let fixture = Fixture::new(Options::default(), content);
    let clock = Arc::<VirtualClock>::default();
    let network = Arc::new(Network {
        clock: Arc::clone(&clock),
        begins,
        response_is_lost,
        lasts: Duration::from_secs(seconds),
        requests: AtomicUsize::new(0),
        ends: Mutex::default(),
    });
    let (client, _) = fixture.client_by(
        |config| config.set_concurrency(1).unwrap(),
        |config| {
            client_with_transport(config, &CapturedLog::default(), clock.clone(), |transport| {
                Arc::new(OutageTransport { transport, network: Arc::clone(&network) })
            })
        },
    );
    let upload = fixture.handle(&client, setup, None);
    fixture.run(&upload, setup).unwrap_or_else(|error| panic!("{begins} {seconds} s {setup:?}: {error}"));
    assert!(!network.is_down(), "the outage has not ended");
    fixture.check_archive().unwrap();
    upload.progress().unwrap().retries
}

#[test]
fn survives_outage_that_begins_at_any_request() {
    for (source, journal) in
        [(SourceKind::File, false), (SourceKind::File, true), (SourceKind::Stream, false), (SourceKind::Stream, true)]
    {
        let setup = Setup { source, journal };
        for begins in 1..REQUESTS {
            assert!(upload_through(begins, false, 60, setup) > 0);
        }
        assert!(upload_through(COMPLETE, true, 60, setup) > 0);
    }
}

/// Each backoff is at most 20 s, so this outage needs more attempts than the limit that applies without an outage.
#[test]
fn survives_outage_longer_than_the_attempt_limit() {
    let setup = Setup { source: SourceKind::File, journal: false };
    for begins in 1..REQUESTS {
        let retries = upload_through(begins, false, 600, setup);
        assert!(retries >= 600 / 20, "{retries}");
    }
}
