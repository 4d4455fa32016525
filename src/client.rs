//! A client: the endpoint, account and credentials used for requests, and the memory and bandwidth limits shared by its
//! uploads.

use std::sync::Arc;

pub use crate::api::ListedUpload;
use crate::api::{ClockSkew, Service};
use crate::bandwidth::TokenBucket;
use crate::callback_loop::{WakeEvent, run_on_worker};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ResolvedConfig};
use crate::credentials::{KeyServices, Keys, Transports};
use crate::error::{Error, Kind, Result};
use crate::http::{ConnectionPool, RequestContext, Transport};
use crate::limits::check_vault_name;
use crate::log::{Level, Log};
use crate::memory::BufferPool;
use crate::reachability::Reachability;
use crate::reentrancy;
use crate::sign::Signer;
use crate::sync::cancel::{Cancel, Reason};
use crate::sync::{Mutex, lock};
use crate::sys::process::CreatorPid;

/// A client of the service. Any thread may use it.
#[derive(Debug)]
pub struct Client {
    pub(crate) service: Service,
    /// The URL of the endpoint.
    pub(crate) endpoint: String,
    pub(crate) memory: Arc<BufferPool>,
    pub(crate) bandwidth: Arc<TokenBucket>,
    pub(crate) workers: u32,
    pub(crate) log: Arc<Log>,
    pub(crate) creator: CreatorPid,
    /// Stops the client's own calls, not its uploads.
    cancel: Arc<Cancel>,
    calls: Mutex<Calls>,
}

/// The client's own calls in progress.
#[derive(Debug, Default)]
struct Calls {
    count: u32,
    /// Whether a cancellation stopped one of them.
    canceled: bool,
}

/// One call in progress. When the last call returns, the cancellation is cleared if it stopped any of them.
struct ActiveCall<'a>(&'a Client);

impl<'a> ActiveCall<'a> {
    fn new(client: &'a Client) -> Self {
        lock(&client.calls).count += 1;
        Self(client)
    }
}

impl Drop for ActiveCall<'_> {
    fn drop(&mut self) {
        let mut calls = lock(&self.0.calls);
        calls.count -= 1;
        if calls.count == 0 && std::mem::take(&mut calls.canceled) {
            self.0.cancel.clear(Reason::Requested);
        }
    }
}

impl Client {
    /// Creates a client. Sends no requests.
    ///
    /// # Errors
    /// The errors of [`Config::resolve`]; `Io` or `Invalid` if the trust store of the system has no readable certificate.
    pub fn new(config: &Config) -> Result<Arc<Self>> {
        let resolved = config.resolve()?;
        let network = resolved.network()?;
        let transport = network.transport(&resolved.endpoint)?;
        if let Some(proxy) = transport.proxy() {
            let (endpoint, setting) = (&resolved.endpoint, proxy.setting());
            resolved.log.write(Level::Info, format_args!("the proxy {proxy} is used for {endpoint} ({setting})"));
        }
        Ok(Arc::new(Self::with_transports(
            resolved,
            Arc::new(transport),
            Arc::new(network),
            Arc::new(SystemClock::new()),
        )))
    }

    /// Creates a client with another transport and clock, for tests whose credentials need no network.
    #[doc(hidden)]
    pub fn with_transport(resolved: ResolvedConfig, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self::with_transports(resolved, transport, KeyServices::default().transports, clock)
    }

    /// Creates a client with other transports and clock, for tests. `provider_transports` are those of credential providers.
    #[doc(hidden)]
    pub fn with_transports(
        resolved: ResolvedConfig,
        transport: Arc<dyn Transport>,
        provider_transports: Arc<dyn Transports>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key_services = KeyServices {
            transports: provider_transports,
            clock: Arc::clone(&clock),
            log: Arc::clone(&resolved.log),
            redactor: resolved.redactor,
        };
        let service = Service {
            account_id: resolved.account_id,
            host: resolved.endpoint.authority_for_host_header(),
            endpoint_place: resolved.endpoint_place,
            keys: Keys::with_services(resolved.credentials, key_services),
            signer: Signer::new(resolved.region),
            connections: ConnectionPool::new(transport),
            policy: resolved.policy,
            clock: Arc::clone(&clock),
            reachability: Reachability::default(),
            skew: ClockSkew::default(),
            log: Arc::clone(&resolved.log),
        };
        Self {
            service,
            endpoint: resolved.endpoint.to_string(),
            memory: Arc::new(BufferPool::new(resolved.memory_limit)),
            bandwidth: Arc::new(TokenBucket::new(resolved.bandwidth_limit, clock)),
            workers: resolved.workers,
            log: resolved.log,
            creator: CreatorPid::current(),
            cancel: Arc::default(),
            calls: Mutex::default(),
        }
    }

    /// Returns all multipart uploads in progress in a vault, in the service's order.
    ///
    /// # Errors
    /// `Invalid`; `Forked`; `Busy` inside a callback of the client; `Canceled`; `Protocol` for a list that does not end;
    /// errors of the service and the network.
    pub fn list_uploads(&self, vault: &str) -> Result<Vec<ListedUpload>> {
        self.creator.check()?;
        reentrancy::check_not_in_callback(self)?;
        let _active = ActiveCall::new(self);
        let context = RequestContext { cancel: Arc::clone(&self.cancel), ..RequestContext::default() };
        let listed = context.cancel.check().and_then(|()| self.list_uploads_now(vault, &context));
        if listed.as_ref().is_err_and(|error| error.kind() == Kind::Canceled) {
            lock(&self.calls).canceled = true;
        }
        listed.map_err(|error| self.redacted(error))
    }

    /// Removes the secrets that the client has or had from an error.
    #[must_use]
    pub(crate) fn redacted(&self, error: Error) -> Error {
        error.redacted(self.service.keys.redactor())
    }

    /// Sets the bandwidth limit of all uploads of the client, in bytes per second; 0: no limit. Takes effect at once, also for
    /// parts in flight.
    pub fn set_bandwidth_limit(&self, bytes_per_second: u64) {
        self.bandwidth.set_limit(bytes_per_second);
    }

    /// Returns the URL of the endpoint, without a slash at its end.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Stops [`Client::list_uploads`] or, if none is in progress, the next one. Safe in a signal handler.
    pub fn cancel(&self) {
        self.cancel.raise();
    }

    fn list_uploads_now(&self, vault: &str, context: &RequestContext) -> Result<Vec<ListedUpload>> {
        check_vault_name(vault)?;
        let deliver = || {
            self.deliver_log();
            self.request_credentials(&context.cancel);
        };
        run_on_worker(&WakeEvent::default(), || self.service.list_uploads(vault, context), deliver)
    }

    /// Returns whether a thread of the library waits for credentials from the provider.
    pub(crate) fn awaits_credentials(&self) -> bool {
        self.service.keys.needs_refresh()
    }

    /// Delivers pending log lines to the caller. Call only on the caller's thread.
    pub(crate) fn deliver_log(&self) {
        let _scope = reentrancy::CallbackScope::enter(self);
        self.log.deliver();
    }

    /// Calls the credentials provider if a thread waits for credentials, unless the call is canceled. Call only on the
    /// caller's thread.
    pub(crate) fn request_credentials(&self, cancel: &Cancel) {
        if self.awaits_credentials() && !cancel.is_raised() {
            let _scope = reentrancy::CallbackScope::enter(self);
            self.service.keys.refresh(|| self.service.now().unix_time);
        }
    }
}
