//! What a signal stops: the calls of a client and its uploads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use glacier_mp::client::Client;
use glacier_mp::sync::lock;
use glacier_mp::upload::Upload;

/// A switch that stops the client and the uploads of one command. Any thread may use it.
#[derive(Debug)]
pub(crate) struct Stop {
    client: Arc<Client>,
    uploads: Mutex<Vec<Weak<Upload>>>,
    is_raised: AtomicBool,
}

impl Stop {
    /// Creates a switch for a client.
    pub(crate) fn new(client: &Arc<Client>) -> Self {
        Self { client: Arc::clone(client), uploads: Mutex::default(), is_raised: AtomicBool::new(false) }
    }

    /// Adds an upload. If the command is being stopped, it is canceled at once.
    pub(crate) fn add(&self, upload: &Arc<Upload>) {
        lock(&self.uploads).push(Arc::downgrade(upload));
        if self.is_raised() {
            upload.cancel();
        }
    }

    /// Stops all uploads, those that are added later, and a call of the client itself, such as a list.
    pub(crate) fn raise(&self) {
        self.is_raised.store(true, Ordering::SeqCst);
        self.client.cancel();
        lock(&self.uploads).iter().filter_map(Weak::upgrade).for_each(|upload| upload.cancel());
    }

    /// Returns whether the command is being stopped.
    pub(crate) fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::SeqCst)
    }
}
