//! The accepting half of the test servers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A listener on 127.0.0.1 that serves each connection on a separate thread. It is closed on drop: a test program with many
/// servers needs few descriptors.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) address: SocketAddr,
    is_closed: Arc<AtomicBool>,
}

impl Acceptor {
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (is_closed, serve) = (Arc::new(AtomicBool::new(false)), Arc::new(serve));
        let closed = Arc::clone(&is_closed);
        named("accept", move || {
            for stream in listener.incoming().map_while(Result::ok).take_while(|_| !closed.load(Ordering::SeqCst)) {
                // Without this, a response may still be in the kernel when the connection is reset.
                stream.set_nodelay(true).unwrap();
                let serve = Arc::clone(&serve);
                named("server", move || serve(stream));
            }
        });
        Self { address, is_closed }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::SeqCst);
        // Wakes the thread, which closes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

/// Starts a thread with a name.
pub(crate) fn named(name: &str, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.to_owned()).spawn(run).unwrap();
}
