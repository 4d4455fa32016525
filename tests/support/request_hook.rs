//! A transport that says when a request is about to go out, so that something can happen just then.

use std::fmt;
use std::sync::Arc;

use glacier_mp::error::Result;
use glacier_mp::http::{Connection, Payload, Request, RequestContext, Response, Transport, UreqTransport};

type Trip = Arc<dyn Fn(&Request) + Send + Sync>;

/// The transport, with `trip` called for each request before it is sent, on the thread that sends it.
pub(crate) fn request_hook(
    trip: impl Fn(&Request) + Send + Sync + 'static,
) -> impl FnOnce(UreqTransport) -> Arc<dyn Transport> {
    |transport| Arc::new(HookedTransport { transport, trip: Arc::new(trip) })
}

struct HookedTransport {
    transport: UreqTransport,
    trip: Trip,
}

struct HookedConnection {
    connection: Box<dyn Connection>,
    trip: Trip,
}

impl Transport for HookedTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(HookedConnection { connection: self.transport.connection(), trip: Arc::clone(&self.trip) })
    }
}

impl Connection for HookedConnection {
    fn open(&mut self, watch: &RequestContext) -> Result<()> {
        self.connection.open(watch)
    }

    fn exchange(&mut self, request: &Request, payload: Payload<'_>, watch: &RequestContext) -> Result<Response> {
        (self.trip)(request);
        self.connection.exchange(request, payload, watch)
    }
}

impl fmt::Debug for HookedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookedTransport")
    }
}

impl fmt::Debug for HookedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookedConnection")
    }
}
