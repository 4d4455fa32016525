//! The bandwidth limit on its way to the wire, by a clock whose waits take no time.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use glacier_mp::bandwidth::TokenBucket;
use glacier_mp::clock::Clock;
use glacier_mp::http::RequestContext;

use crate::client::{Source, connect, put, watch};
use crate::server::{Server, always};
use crate::support::glacier::VirtualClock;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const LIMIT: u64 = 40_000;
/// What takes 100 s: then what the machine itself takes is little beside it.
const LENGTH: u64 = 100 * LIMIT;

#[test]
fn the_payload_takes_as_long_as_the_limit_says() {
    for tls in [false, true] {
        let server = Server::either(tls, always(OK));
        assert_took_100_s(&server, &mut Source::default());
    }
}

/// What the source did not fill is there for the next piece.
#[test]
fn a_source_that_gives_little_at_a_time_loses_nothing() {
    struct Crumbs(Source);
    impl Read for Crumbs {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let length = buf.len().min(600);
            self.0.read(&mut buf[..length])
        }
    }
    assert_took_100_s(&Server::plain(always(OK)), &mut Crumbs(Source::default()));
}

/// Puts the payload, which must take 100 s by the clock, within 5 %.
#[track_caller]
fn assert_took_100_s(server: &Server, source: &mut dyn Read) {
    let clock = Arc::new(VirtualClock::default());
    let bandwidth = Some(Arc::new(TokenBucket::new(LIMIT, clock.clone())));
    let start = clock.monotonic();
    put(&mut *connect(server), LENGTH, source, &RequestContext { bandwidth, ..watch() }).unwrap();
    let (took, should) = (clock.monotonic() - start, Duration::from_secs(100));
    assert!(took.abs_diff(should) <= should / 20, "{took:?} instead of {should:?}");
}
