//! HTTP proxies: which proxy a connection uses, and what a proxy receives and responds.
//!
//! The modules are pure. [`super::opening`] does the I/O of CONNECT.

mod connect;
mod forward;
mod no_proxy;
mod refusal;
mod rules;
mod url;

pub(super) use connect::{ConnectError, ConnectReader, ConnectResponse, PROXY_AUTHENTICATE, connect_request, schemes};
pub(super) use forward::in_absolute_form;
pub(super) use refusal::{hint, is_transient};
pub use rules::ProxyRules;
pub use url::{Proxy, ProxySetting};
