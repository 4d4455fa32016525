//! A transport that calls a function before each request.

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

use glacier_mp::error::Result;
use glacier_mp::http::{Connection, Request, RequestContext, Response, Transport, UreqTransport};

type Hook = Arc<dyn Fn(&Request) + Send + Sync>;

/// Wraps the transport. `hook` is called before each request is sent, on the sending thread.
pub(crate) fn request_hook(
    hook: impl Fn(&Request) + Send + Sync + 'static,
) -> impl FnOnce(UreqTransport) -> Arc<dyn Transport> {
    |transport| Arc::new(HookedTransport { transport, hook: Arc::new(hook) })
}

struct HookedTransport {
    transport: UreqTransport,
    hook: Hook,
}

struct HookedConnection {
    connection: Box<dyn Connection>,
    hook: Hook,
}

impl Transport for HookedTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(HookedConnection { connection: self.transport.connection(), hook: Arc::clone(&self.hook) })
    }
}

impl Connection for HookedConnection {
    fn open(&mut self, watch: &RequestContext) -> Result<()> {
        self.connection.open(watch)
    }

    fn exchange(&mut self, request: &Request, payload: &mut dyn BufRead, watch: &RequestContext) -> Result<Response> {
        (self.hook)(request);
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
