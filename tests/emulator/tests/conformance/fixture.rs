//! The fixture of a case: an emulator, a connection, and the last exchange.

use glacier_emulator::{Emulator, Options, Storage};

use crate::client::{Client, Request, Response, start, start_with};
use crate::document;

/// An emulator for one case, and a client.
pub(crate) struct Fixture {
    pub(crate) emulator: Emulator,
    pub(crate) client: Client,
    last: Option<Exchange>,
    /// Values that differ between runs, with their names in the document.
    names: Vec<(String, &'static str)>,
}

/// A request and its response, as shown in the document.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) sent: String,
    pub(crate) received: String,
    pub(crate) succeeded: bool,
}

impl Fixture {
    pub(crate) fn start() -> Self {
        let (emulator, client) = start();
        Self { emulator, client, last: None, names: Vec::new() }
    }

    /// Starts another emulator with other options.
    pub(crate) fn restart(&mut self, change: impl FnOnce(&mut Options)) {
        let mut options = Options { storage: Storage::Hashes, ..Options::default() };
        change(&mut options);
        (self.emulator, self.client) = start_with(options);
    }

    /// Sends a request and returns its response.
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        let response = self.client.send(request);
        self.show(document::request(request), &response);
        response
    }

    /// Sends a request that must succeed.
    pub(crate) fn accepted(&mut self, request: &Request) -> Response {
        let response = self.send(request);
        assert!((200..300).contains(&response.status), "{response:?}");
        response
    }

    /// Sends a request that must be refused with this status, code and message.
    pub(crate) fn refused(&mut self, request: &Request, status: u16, code: &str, message: &str) {
        self.send(request).expect_refusal(status, code, message);
    }

    /// Initiates an upload and returns its ID.
    pub(crate) fn initiate(&mut self, part_size: usize) -> String {
        let response = self.accepted(&Request::initiate(part_size));
        response.header("x-amz-multipart-upload-id").unwrap().to_owned()
    }

    /// Records an exchange that did not go through [`Self::send`].
    pub(crate) fn show(&mut self, sent: impl Into<String>, response: &Response) {
        let named = |text: String| self.names.iter().fold(text, |text, (value, name)| text.replace(value, name));
        self.last = Some(Exchange {
            sent: named(sent.into()),
            received: named(document::response(response)),
            succeeded: response.status < 300,
        });
    }

    /// Records a request without response, as a refusal.
    pub(crate) fn show_no_response(&mut self, sent: impl Into<String>, received: &str) {
        self.last = Some(Exchange { sent: sent.into(), received: received.to_owned(), succeeded: false });
    }

    /// Sets the name of a value in the document.
    pub(crate) fn name(&mut self, value: impl Into<String>, name: &'static str) {
        self.names.push((value.into(), name));
    }

    pub(crate) fn last(&self) -> Option<Exchange> {
        self.last.clone()
    }
}
