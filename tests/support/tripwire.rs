//! A transport that says when a request is about to go out, so that something can happen just then.

use std::fmt;
use std::sync::Arc;

use glacier_mp::error::Result;
use glacier_mp::http::{Connection, Payload, Request, RequestContext, Response, Transport, UreqTransport};

type Trip = Arc<dyn Fn(&Request) + Send + Sync>;

/// The transport, with `trip` called for each request before it is sent, on the thread that sends it.
pub(crate) fn tripwire(
    trip: impl Fn(&Request) + Send + Sync + 'static,
) -> impl FnOnce(UreqTransport) -> Arc<dyn Transport> {
    |transport| Arc::new(Tripwire { transport, trip: Arc::new(trip) })
}

struct Tripwire {
    transport: UreqTransport,
    trip: Trip,
}

struct TripwireConnection {
    connection: Box<dyn Connection>,
    trip: Trip,
}

impl Transport for Tripwire {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(TripwireConnection { connection: self.transport.connection(), trip: Arc::clone(&self.trip) })
    }
}

impl Connection for TripwireConnection {
    fn open(&mut self, watch: &RequestContext) -> Result<()> {
        self.connection.open(watch)
    }

    fn exchange(&mut self, request: &Request, payload: Payload<'_>, watch: &RequestContext) -> Result<Response> {
        (self.trip)(request);
        self.connection.exchange(request, payload, watch)
    }
}

impl fmt::Debug for Tripwire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tripwire")
    }
}

impl fmt::Debug for TripwireConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TripwireConnection")
    }
}
