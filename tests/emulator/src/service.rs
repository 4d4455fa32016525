//! The state of the service, which all connections share.

use std::io;
use std::time::Duration;

use crate::action::Action;
use crate::clock::Clock;
use crate::ids::IdGenerator;
use crate::options::Options;
use crate::paging::Markers;
use crate::random_faults::RandomFaultSource;
use crate::rate_limit::RateLimit;
use crate::record::RequestLog;
use crate::request::Target;
use crate::response::Response;
use crate::response_delay;
use crate::scripted_faults::{Fault, ScriptedFaults};
use crate::signature::Verifier;
use crate::stop::Stop;
use crate::store::Store;

/// The settings and the state.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) page_max: usize,
    pub(crate) response_delay: Duration,
    pub(crate) clock: Clock,
    pub(crate) scripted_faults: ScriptedFaults,
    pub(crate) ids: IdGenerator,
    pub(crate) log: RequestLog,
    pub(crate) markers: Markers,
    pub(crate) random_faults: RandomFaultSource,
    pub(crate) rate_limit: RateLimit,
    pub(crate) stop: Stop,
    pub(crate) store: Store,
    pub(crate) verifier: Verifier,
}

impl Service {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let response_delay = options.response_delay.map_or_else(response_delay::from_environment, Ok);
        let response_delay = response_delay.map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let (clock, ids) = (Clock::default(), IdGenerator::new());
        clock.set_offset(options.clock_offset);
        let store = Store::open(&options.storage, &options.vaults, &ids.request_id(), clock.now())?;
        let service = Self {
            region: options.region.clone(),
            account: options.account.clone(),
            page_max: options.page_max,
            response_delay,
            verifier: Verifier::new(&options.region, &options.access_key, &options.secret_key),
            scripted_faults: ScriptedFaults::default(),
            random_faults: RandomFaultSource::default(),
            rate_limit: RateLimit::default(),
            log: RequestLog::default(),
            markers: Markers::default(),
            stop: Stop::default(),
            clock,
            ids,
            store,
        };
        if let Some(token) = &options.session_token {
            service.add_session_token(token, options.session_token_seconds);
        }
        service.limit_requests(options.requests_per_second);
        options.faults.iter().for_each(|fault| service.add_fault(fault.clone()));
        service.random_faults.set(options.random_faults.clone());
        Ok(service)
    }

    /// Sets the clock. Uploads that have expired by the new time are removed at once.
    pub(crate) fn set_clock_offset(&self, seconds: i64) {
        self.clock.set_offset(seconds);
        self.store.expire(self.clock.now());
    }

    /// Adds a fault. Its lifetime begins now.
    pub(crate) fn add_fault(&self, fault: Fault) {
        self.scripted_faults.add(fault, self.clock.now());
    }

    /// Returns the actions for this request: the scripted ones, or else the random ones.
    pub(crate) fn faults_for(&self, target: Option<&Target>, part: Option<u64>, length: u64) -> Vec<Action> {
        // Always draws random faults, so that a script does not change the faults of later requests.
        let drawn = target.map(|target| self.random_faults.draw(target, part, length));
        let scripted = self.scripted_faults.actions_for(target.map(|target| target.operation), part, self.clock.now());
        scripted.or(drawn).unwrap_or_default()
    }

    /// Adds a valid session token. `seconds` is its lifetime; `None` means no limit.
    pub(crate) fn add_session_token(&self, token: &str, seconds: Option<i64>) {
        self.verifier.add_token(token, seconds.map(|seconds| self.clock.now().plus_seconds(seconds)));
    }

    /// Admits this many requests per second. `None` removes the limit.
    pub(crate) fn limit_requests(&self, per_second: Option<u64>) {
        self.rate_limit.set(per_second, self.clock.now());
    }

    /// Adds the headers of every response. A response of a proxy gets no request ID.
    pub(crate) fn with_common_headers(&self, response: Response) -> Response {
        let date = self.clock.now().http();
        if response.from_proxy {
            return response.with("Date", date);
        }
        response.with("x-amzn-RequestId", self.ids.request_id()).with("Date", date)
    }

    /// Returns the ARN of a vault.
    pub(crate) fn vault_arn(&self, vault: &str) -> String {
        let partition = match self.region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            region if region.starts_with("us-isob-") => "aws-iso-b",
            region if region.starts_with("us-iso-") => "aws-iso",
            _ => "aws",
        };
        format!("arn:{partition}:glacier:{}:{}:vaults/{vault}", self.region, self.account)
    }
}
