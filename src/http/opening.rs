//! The steps that turn a connected socket into a channel to the endpoint: TLS to the proxy, CONNECT, TLS to the endpoint. Each
//! is skipped if it does not apply.

use std::io;
use std::time::Duration;

use super::channel::Channel;
use super::proxy::{self, ConnectError, ConnectReader, ConnectResponse, Proxy};
use super::tls::Tls;
use super::tls_failure;
use super::tls_text;
use super::transport_context::TransportContext;
use crate::active_time::ActiveInstant;
use crate::error::{ConnectFailure, Error, Kind, Result};
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sys::socket::{Interest, Socket};

/// The opening of one connection: what its steps share.
pub(super) struct Opening<'a> {
    pub(super) context: &'a TransportContext,
    pub(super) cancel: &'a Cancel,
    start: ActiveInstant,
}

/// A step after the TCP connection.
#[derive(Clone, Copy)]
enum Step {
    ProxyTls,
    Connect,
    EndpointTls,
}

/// The maximum number of bytes received in one step.
const RECEIVE_CHUNK: usize = 8 << 10;

impl<'a> Opening<'a> {
    /// Starts the connect timeout.
    pub(super) fn new(context: &'a TransportContext, cancel: &'a Cancel) -> Self {
        Self { context, cancel, start: ActiveInstant::now() }
    }

    /// Returns the time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the rest of the connect timeout.
    pub(super) fn time_left(&self) -> Duration {
        self.context.connect_timeout().saturating_sub(self.elapsed())
    }

    /// Takes the steps on a connected socket.
    pub(super) fn secure(&self, socket: Socket) -> Result<Channel> {
        let mut channel = Channel::new(socket);
        let mut received = Vec::new();
        if let Some(route) = &self.context.proxy {
            if let Some(tls) = &route.tls {
                channel = self.handshake(channel, tls, &[], Step::ProxyTls)?;
            }
            if self.context.tls.is_some() {
                received = self.open_tunnel(&mut channel, &route.proxy)?;
            }
        }
        match &self.context.tls {
            Some(tls) => self.handshake(channel, tls, &received, Step::EndpointTls),
            None => Ok(channel),
        }
    }

    /// Does a TLS handshake over a channel.
    fn handshake(&self, channel: Channel, tls: &Tls, received: &[u8], step: Step) -> Result<Channel> {
        let session = tls.client().map_err(|error| self.rejected(step, error))?;
        let mut channel = channel.start_tls(session, received).map_err(|error| self.handshake_failed(step, error))?;
        loop {
            match channel.handshake() {
                Ok(()) => return Ok(channel),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(&channel, channel.wants(), step)?
                }
                Err(error) => return Err(self.handshake_failed(step, error)),
            }
        }
    }

    /// Asks the proxy for a tunnel to the endpoint. Returns the bytes of the tunnel that were already received.
    fn open_tunnel(&self, channel: &mut Channel, proxy: &Proxy) -> Result<Vec<u8>> {
        let response = self.connect(channel, proxy)?;
        if (200..300).contains(&response.status) {
            return Ok(response.rest);
        }
        Err(self.context.refused(proxy, response.status, &response.schemes))
    }

    /// Sends CONNECT and receives the response.
    fn connect(&self, channel: &mut Channel, proxy: &Proxy) -> Result<ConnectResponse> {
        let step = Step::Connect;
        let request = proxy::connect_request(proxy, &self.context.endpoint.address(), self.context.user_agent());
        let (mut rest, mut reader) = (&request[..], ConnectReader::default());
        while !rest.is_empty() || channel.is_pending() {
            match channel.send(rest) {
                Ok(accepted) => rest = rest.get(accepted..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(channel, Interest::Write, step)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The proxy has closed the connection. A response or an alert that it sent before can still be received.
                Err(error) => {
                    return match self.receive(channel, &mut reader, proxy) {
                        Ok(Some(response)) => Ok(response),
                        Err(rejected) if rejected.kind() == Kind::Tls => Err(rejected),
                        _ => Err(self.lost(step, error)),
                    };
                }
            }
        }
        loop {
            if let Some(response) = self.receive(channel, &mut reader, proxy)? {
                return Ok(response);
            }
            self.wait(channel, Interest::Read, step)?;
        }
    }

    /// Receives, without waiting, the response to CONNECT. Returns `None` if more is to come.
    fn receive(
        &self,
        channel: &mut Channel,
        reader: &mut ConnectReader,
        proxy: &Proxy,
    ) -> Result<Option<ConnectResponse>> {
        let step = Step::Connect;
        let mut buffer = [0; RECEIVE_CHUNK];
        loop {
            let length = match channel.receive(&mut buffer) {
                Ok(0) => return Err(self.lost(step, io::ErrorKind::UnexpectedEof.into())),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.lost(step, error)),
            };
            let response = reader.push(buffer.get(..length).unwrap_or_default());
            match response.map_err(|error| self.not_http(proxy, error))? {
                None => {}
                response => return Ok(response),
            }
        }
    }

    /// Waits until the socket is ready, at most for one poll interval.
    ///
    /// # Errors
    /// `Canceled`; `Timeout` at the end of the connect timeout; `Network`.
    fn wait(&self, channel: &Channel, interest: Interest, step: Step) -> Result<()> {
        self.cancel.check()?;
        let left = self.time_left();
        if left.is_zero() {
            return Err(self.timed_out(step));
        }
        let waited = channel.socket().wait(interest, left.min(CANCEL_POLL_INTERVAL));
        waited.map(|_| ()).map_err(|error| self.lost(step, error))
    }

    fn timed_out(&self, step: Step) -> Error {
        let timeout = self.context.connect_timeout();
        let text = format!("{} did not end within the connect timeout of {timeout:?}", step.name());
        self.context.error(Kind::Timeout, text).not_connected(step.failure())
    }

    /// Converts an error of the connection. With TLS 1.3, the proxy checks the client after the client's part of the
    /// handshake, so it may reject the handshake after CONNECT.
    fn lost(&self, step: Step, error: io::Error) -> Error {
        if let Some(alert) = tls_failure::rejection(&error) {
            return self.rejected(step, alert.clone());
        }
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the peer closed it".to_owned(),
            _ => tls_text::reason(&error),
        };
        let text = format!("the connection was lost during {}: {reason}", step.name());
        self.context.error(Kind::Network, text).caused_by(error).not_connected(step.failure())
    }

    /// Converts a handshake error. rustls reports invalid data of the peer as `InvalidData`; other errors are those of the
    /// connection.
    fn handshake_failed(&self, step: Step, error: io::Error) -> Error {
        let tls_error =
            (error.kind() == io::ErrorKind::InvalidData).then(|| tls_text::tls_error(&error)).flatten().cloned();
        match tls_error {
            Some(tls_error) if !tls_failure::is_interruption(&tls_error) => self.rejected(step, tls_error),
            _ => self.lost(step, error),
        }
    }

    fn rejected(&self, step: Step, error: rustls::Error) -> Error {
        let text = match (step, &self.context.proxy) {
            (Step::ProxyTls | Step::Connect, Some(route)) => route.describe_tls(&error),
            // A captive portal responds with 200 and a page, for example.
            (Step::EndpointTls, Some(route)) if tls_failure::is_not_tls(&error) => format!(
                "the bytes received through the tunnel are not TLS: check that the proxy URL is that of an HTTP proxy ({}), and \
                 that the server speaks TLS on this port",
                route.proxy.setting()
            ),
            _ => self.context.describe_tls(&error),
        };
        let failure = match error {
            rustls::Error::InvalidCertificate(_) => ConnectFailure::CertificateRefused,
            _ => ConnectFailure::TlsRefused,
        };
        self.context.error(Kind::Tls, text).caused_by(error).not_connected(failure)
    }

    fn not_http(&self, proxy: &Proxy, error: ConnectError) -> Error {
        let setting = proxy.setting();
        let text = match error {
            ConnectError::Malformed(text) => {
                format!("the response to CONNECT is invalid: {text}; check the proxy URL ({setting})")
            }
            ConnectError::TlsRecord => {
                format!("the proxy expects TLS on this port; set a proxy URL that begins with https:// ({setting})")
            }
        };
        self.context.error(Kind::Protocol, text).not_connected(ConnectFailure::Proxy)
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::ProxyTls => "the TLS handshake with the proxy",
            Self::Connect => "the response of the proxy to CONNECT",
            Self::EndpointTls => "the TLS handshake",
        }
    }

    fn failure(self) -> ConnectFailure {
        match self {
            Self::ProxyTls | Self::EndpointTls => ConnectFailure::TlsHandshake,
            Self::Connect => ConnectFailure::Proxy,
        }
    }
}
