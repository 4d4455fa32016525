//! One HTTP request of a provider, within a time limit. Redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::provider::LoadContext;
use super::transports::Route;
use crate::error::{Error, Kind, Result};
use crate::http::{Endpoint, Method, Request, RequestContext, header};
use crate::request_id::{self, request_id};
use crate::secret::Secret;
use crate::sync::cancel::Cancel;

/// A request.
pub(super) struct Fetch<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) route: Route,
    /// The active time from the name lookup to the end of the response.
    pub(super) time_limit: Duration,
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: &'a str,
    /// The headers except `host`. Names are in lower case.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<&'a Secret>,
}

/// A response. Its body may contain keys.
pub(super) struct Fetched {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Fetched {
    /// Returns the value of a header, whose name is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Returns whether the response has the request ID of an AWS service.
    pub(super) fn has_request_id(&self) -> bool {
        request_id(&self.headers).is_some()
    }

    /// Returns the error of a response that has neither a document of `service` nor its request ID: a proxy, a captive portal or
    /// a load balancer has probably sent it. Such an error is transient.
    pub(super) fn not_from_service(&self, source: &str, service: &str) -> Error {
        let kind = match self.status {
            429 => Kind::Throttled,
            200..300 => Kind::Protocol,
            _ => Kind::Service,
        };
        // The body is not shown: it may contain a part of the request, which has secrets.
        let text = format!(
            "{source} failed: {}; its body of {} bytes is not a document of {service}; {}",
            describe_status(self.status),
            self.body.len(),
            request_id::MISSING
        );
        Error::new(kind, text).with_response(self.status, None, None)
    }
}

impl Fetch<'_> {
    /// Sends the request and receives the complete response.
    ///
    /// # Errors
    /// `Canceled`; `Timeout` after the time limit; errors of the network. They name the method and the URL.
    pub(super) fn send(self, context: &LoadContext<'_>) -> Result<Fetched> {
        let name = self.name();
        let transport = context.transports.transport(self.endpoint, self.route, self.time_limit)?;
        let limited = Cancel::with_time_limit(Arc::clone(context.cancel), self.time_limit);
        let request_context = RequestContext { cancel: Arc::new(limited), ..RequestContext::default() };
        let mut headers = vec![("host", self.endpoint.authority_for_host_header())];
        headers.extend(self.headers);
        let mut payload = self.body.map(|body| body.expose().as_bytes()).unwrap_or_default();
        let length = payload.len() as u64;
        let request = Request { method: self.method, target: self.target.to_owned(), headers, length };
        // The connection is dropped here, so that its buffers are wiped with the other memory of the provider.
        let response = transport.connection().exchange(&request, &mut payload, &request_context).map_err(|error| {
            match error.kind() {
                Kind::Canceled if context.cancel.is_raised() => error,
                Kind::Canceled | Kind::Timeout => {
                    Error::new(Kind::Timeout, format!("{name} timed out after {}", seconds(self.time_limit)))
                }
                _ => error.with_context(&name),
            }
        })?;
        Ok(Fetched { status: response.status, headers: response.headers, body: Zeroizing::new(response.body) })
    }

    /// Returns method and URL without the query, which may identify the caller.
    pub(super) fn name(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        format!("{} {}{path}", self.method.as_str(), self.endpoint)
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Returns whether another attempt may succeed: the service was not reached, something else responded, or the service is
/// overloaded.
pub(super) fn is_transient(error: &Error) -> bool {
    matches!(error.kind(), Kind::Network | Kind::Timeout | Kind::Protocol | Kind::Throttled | Kind::Service)
}

/// Describes the status of a response that is not a success.
pub(super) fn describe_status(status: u16) -> String {
    match status {
        300..400 => format!("HTTP status {status}: redirects are not followed"),
        _ => format!("HTTP status {status}"),
    }
}
