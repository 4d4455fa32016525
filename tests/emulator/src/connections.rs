//! The open connections, for shutting them down from another thread.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use crate::stop::lock;

/// The list of open connections.
#[derive(Default)]
pub(crate) struct Connections {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accepted: u64,
    open: HashMap<u64, TcpStream>,
}

impl Connections {
    /// Adds a connection, until the result is dropped.
    pub(crate) fn add(self: &Arc<Self>, tcp: &TcpStream) -> io::Result<OpenConnection> {
        let handle = tcp.try_clone()?;
        let mut state = lock(&self.state);
        let number = state.accepted;
        state.accepted += 1;
        state.open.insert(number, handle);
        Ok(OpenConnection { connections: Arc::clone(self), number })
    }

    /// The number of connections accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        lock(&self.state).accepted
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        lock(&self.state).open.len()
    }

    /// Ends reading and writing on all open connections.
    pub(crate) fn shut_down(&self) {
        for tcp in lock(&self.state).open.values() {
            // This fails if the connection has already ended.
            let _ = tcp.shutdown(Shutdown::Both);
        }
    }
}

/// A connection in the list. Dropping it removes the connection: when its thread ends, even by a panic, and if its thread
/// cannot be started.
pub(crate) struct OpenConnection {
    connections: Arc<Connections>,
    number: u64,
}

impl OpenConnection {
    /// The number of connections that were accepted before.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        lock(&self.connections.state).open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn closes_connection_whose_thread_does_not_start() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let tcp = listener.accept().unwrap().0;
        let connections = Arc::<Connections>::default();
        let open = connections.add(&tcp).unwrap();
        assert_eq!((connections.accepted(), connections.open(), open.number()), (1, 1, 0));
        let thread = move || drop((tcp, open));
        // As when a thread cannot be started.
        drop(thread);
        assert_eq!((connections.accepted(), connections.open()), (1, 0));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}
