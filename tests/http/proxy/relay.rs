//! The relay of a tunnel: passes bytes on in both directions until one end closes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::server::Peer;

/// Passes bytes between a client and a server. Ends the tunnel after `limit` bytes of the client.
pub(crate) fn relay(peer: &mut Peer, server: SocketAddr, limit: u64) {
    let server = TcpStream::connect(server).unwrap();
    server.set_nodelay(true).unwrap();
    server.set_nonblocking(true).unwrap();
    peer.socket.set_nonblocking(true).unwrap();
    let mut up = Direction { pending: peer.stream.buffer().to_vec(), ..Direction::default() };
    let mut down = Direction::default();
    let client = peer.stream.get_mut();
    while !up.has_ended || !down.has_ended {
        let Ok(has_sent) = up.step(&mut **client, &mut &server) else { return };
        let Ok(has_received) = down.step(&mut &server, &mut **client) else { return };
        if up.total > limit {
            return;
        }
        if up.ends_now() {
            let _ = server.shutdown(std::net::Shutdown::Write);
        }
        if down.ends_now() {
            client.close();
        }
        if !has_sent && !has_received {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// One direction of a tunnel.
#[derive(Default)]
struct Direction {
    pending: Vec<u8>,
    total: u64,
    is_closed: bool,
    has_ended: bool,
}

impl Direction {
    /// Reads bytes if none are pending, and writes pending bytes. Returns true if it read or wrote any.
    fn step(&mut self, from: &mut dyn Read, to: &mut dyn Write) -> io::Result<bool> {
        let mut has_moved = false;
        if self.pending.is_empty() && !self.is_closed {
            let mut buffer = [0; 64 << 10];
            match from.read(&mut buffer) {
                Ok(length) => {
                    self.pending.extend_from_slice(&buffer[..length]);
                    self.total += length as u64;
                    self.is_closed = length == 0;
                    has_moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if !self.pending.is_empty() {
            match to.write(&self.pending) {
                Ok(length) => {
                    self.pending.drain(..length);
                    has_moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        match to.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(has_moved),
        }
    }

    /// Returns true once, when everything was passed on after the end.
    fn ends_now(&mut self) -> bool {
        let ends_now = self.is_closed && self.pending.is_empty() && !self.has_ended;
        self.has_ended |= ends_now;
        ends_now
    }
}
