//! An HTTP client for one endpoint: each connection is persistent and carries one request at a time.
//!
//! This file has the interface. The other files of this directory implement it with `ureq`. None of them depends on
//! Glacier.

mod buffers;
mod certificate;
mod certificate_names;
mod channel;
mod connection;
mod deadline;
mod dial;
mod endpoint;
mod exchange;
#[cfg(feature = "test-fuzzing")]
pub mod fuzzing;
mod happy_eyeballs;
mod interface;
pub mod message;
mod network;
mod opening;
mod pool;
mod proxy;
mod request_context;
mod resolve;
pub mod response;
mod server_role;
mod shown_url;
mod stopwatch;
mod tls;
mod tls_failure;
mod tls_text;
mod transport;
mod transport_context;
mod trust;
mod ureq_adapter;

pub use connection::UreqConnection;
pub use endpoint::Endpoint;
pub use interface::{Connection, Transport};
pub(crate) use message::header;
pub use message::{BODY_MAX, Method, Request, Response};
pub use network::{Network, NetworkSettings};
pub use pool::{ConnectionPool, PooledConnection};
pub use proxy::{Proxy, ProxyRules, ProxySetting};
pub use request_context::RequestContext;
pub use resolve::{LookupError, Resolver, SystemResolver};
pub(crate) use shown_url::shown_url;
pub use transport::UreqTransport;
pub use trust::{CaFile, SystemStore, TrustStore};
