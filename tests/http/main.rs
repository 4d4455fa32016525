//! The HTTP transport against servers that behave, and against servers that do not. Loopback only.

mod basics;
mod client;
mod early;
mod server;
mod tls;
mod watch;
