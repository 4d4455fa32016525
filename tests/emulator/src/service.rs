//! The service as all connections share it.

use std::io;

use crate::action::Action;
use crate::clock::Clock;
use crate::faults::{Fault, Faults};
use crate::http::Response;
use crate::ids::Ids;
use crate::options::Options;
use crate::paging::Markers;
use crate::random::Random;
use crate::rate::Rate;
use crate::records::RequestLog;
use crate::request::Target;
use crate::signature::Verifier;
use crate::stop::Stop;
use crate::store::Store;

/// Settings and state.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) page_max: usize,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) ids: Ids,
    pub(crate) log: RequestLog,
    pub(crate) markers: Markers,
    pub(crate) random: Random,
    pub(crate) rate: Rate,
    pub(crate) stop: Stop,
    pub(crate) store: Store,
    pub(crate) verifier: Verifier,
}

impl Service {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let (clock, ids) = (Clock::default(), Ids::new());
        clock.set_offset(options.clock_offset);
        let store = Store::open(&options.storage, &options.vaults, &ids.request_id(), clock.now())?;
        let service = Self {
            region: options.region.clone(),
            account: options.account.clone(),
            page_max: options.page_max.clamp(1, crate::choices::PAGE_MAX),
            verifier: Verifier::new(&options.region, &options.access_key, &options.secret_key),
            faults: Faults::default(),
            random: Random::default(),
            rate: Rate::default(),
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
        service.random.set(options.random_faults.clone());
        Ok(service)
    }

    /// Moves the clock. Uploads that are idle for too long by the new time are gone at once.
    pub(crate) fn set_clock_offset(&self, seconds: i64) {
        self.clock.set_offset(seconds);
        self.store.expire(self.clock.now());
    }

    /// Adds a fault; its time begins now.
    pub(crate) fn add_fault(&self, fault: Fault) {
        self.faults.add(fault, self.clock.now());
    }

    /// What this request meets: the script's choice, or else what is drawn.
    pub(crate) fn strike(&self, target: Option<&Target>, part: Option<u64>, length: u64) -> Vec<Action> {
        // Drawn in any case, so that a script changes nothing for the requests after it.
        let drawn = target.map(|target| self.random.draw(target, part, length));
        let scripted = self.faults.strike(target.map(|target| target.operation), part, self.clock.now());
        scripted.or(drawn).unwrap_or_default()
    }

    /// Makes another session token valid; for so many seconds, if that is said.
    pub(crate) fn add_session_token(&self, token: &str, seconds: Option<i64>) {
        self.verifier.add_token(token, seconds.map(|seconds| self.clock.now().plus_seconds(seconds)));
    }

    /// Admits so many requests a second; all, if there is no number.
    pub(crate) fn limit_requests(&self, per_second: Option<u64>) {
        self.rate.set(per_second, self.clock.now());
    }

    /// Adds the headers that every response has. Only the service's own have a request ID.
    pub(crate) fn with_common_headers(&self, response: Response) -> Response {
        let date = self.clock.now().http();
        if response.from_proxy {
            return response.with("Date", date);
        }
        response.with("x-amzn-RequestId", self.ids.request_id()).with("Date", date)
    }

    /// The name of a vault in documents and messages.
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
