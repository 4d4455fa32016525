//! The bandwidth limit of a payload, with a clock whose waits take no time.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use glacier_mp::bandwidth::TokenBucket;
use glacier_mp::clock::Clock;
use glacier_mp::http::RequestContext;

use crate::client::{Source, connect, context, put};
use crate::server::{Server, always};
use crate::support::glacier::VirtualClock;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const LIMIT: u64 = 40_000;
/// A payload of 100 s, so that the time of the machine itself does not matter.
const LENGTH: u64 = 100 * LIMIT;

#[test]
fn payload_takes_the_time_of_the_limit() {
    for tls in [false, true] {
        let server = Server::either(tls, always(OK));
        assert_took_100_s(&server, &mut Source::default());
    }
}

/// Tokens that a read does not use are returned to the bucket.
#[test]
fn small_reads_do_not_lose_bandwidth() {
    struct Crumbs(Source);
    impl Read for Crumbs {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let length = buf.len().min(600);
            self.0.read(&mut buf[..length])
        }
    }
    assert_took_100_s(&Server::plain(always(OK)), &mut Crumbs(Source::default()));
}

/// Sends the payload and checks that it takes 100 s of the clock, within 5 %.
#[track_caller]
fn assert_took_100_s(server: &Server, source: &mut dyn Read) {
    let clock = Arc::new(VirtualClock::default());
    let bandwidth = Some(Arc::new(TokenBucket::new(LIMIT, clock.clone())));
    let start = clock.monotonic();
    put(&mut *connect(server), LENGTH, source, &RequestContext { bandwidth, ..context() }).unwrap();
    let (took, should) = (clock.monotonic() - start, Duration::from_secs(100));
    assert!(took.abs_diff(should) <= should / 20, "{took:?} instead of {should:?}");
}
