//! The errors of an exchange.

use std::io;

use super::Exchange;
use crate::error::{ConnectFailure, Error, Kind};
use crate::http::response::ParseError;
use crate::http::{tls_failure, tls_text};

impl Exchange {
    pub(super) fn parse_failed(&self, error: ParseError) -> Error {
        match error {
            ParseError::Malformed(text) => self.transport.error(Kind::Protocol, text),
            ParseError::Memory(error) => {
                Error::new(Kind::Memory, "out of memory while receiving the response").caused_by(error)
            }
        }
    }

    pub(super) fn out_of_order(&self, what: &str) -> Error {
        self.transport.error(Kind::Network, format_args!("{what}; the connection is closed"))
    }

    pub(super) fn closed(&self, when: &str) -> Error {
        self.transport.error(Kind::Network, format_args!("the peer closed the connection {when}"))
    }

    /// Converts an error of the connection. With TLS 1.3, the peer checks the client after the client's part of the handshake,
    /// so it may reject the client here. Then it has processed nothing of the request.
    pub(super) fn lost(&self, what: &str, error: io::Error) -> Error {
        if !self.has_received
            && let Some(alert) = tls_failure::rejection(&error)
        {
            let text = self.transport.describe_tls(alert);
            return self.transport.error(Kind::Tls, text).caused_by(error).not_connected(ConnectFailure::ClientRefused);
        }
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the peer closed it without a TLS close_notify".to_owned(),
            _ => tls_text::reason(&error),
        };
        self.transport.error(Kind::Network, format_args!("{what}: {reason}")).caused_by(error)
    }
}
