//! A port that refuses connections.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port of 127.0.0.1 that refuses connections. Its socket is bound, so that the system gives the port to no other program,
/// but does not listen.
#[derive(Debug)]
pub(crate) struct ClosedPort {
    pub(crate) address: SocketAddr,
    _socket: Socket,
}

impl ClosedPort {
    pub(crate) fn new() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into()).unwrap()
    }

    /// As [`ClosedPort::new`], at another address with port 0. Fails if the system does not have the address.
    pub(crate) fn at(address: SocketAddr) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // A server that is started at this port can listen on it.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let address = socket.local_addr()?.as_socket().unwrap();
        Ok(Self { address, _socket: socket })
    }
}
