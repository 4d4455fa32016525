//! Where a case plays: an emulator, a connection to it, and a record of what went over it.

use glacier_emulator::{Emulator, Options, Storage};

use crate::client::{Answer, Client, Request, start, start_with};
use crate::document;

/// An emulator for one case, and a client.
pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    pub(crate) client: Client,
    last: Option<Exchange>,
    /// Values that differ from run to run, and what the document calls them.
    names: Vec<(String, &'static str)>,
}

/// What was sent and what came back, as the document shows it.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) sent: String,
    pub(crate) came: String,
    pub(crate) succeeded: bool,
}

impl Scene {
    pub(crate) fn start() -> Self {
        let (emulator, client) = start();
        Self { emulator, client, last: None, names: Vec::new() }
    }

    /// Another emulator, for a case that needs it set up in another way.
    pub(crate) fn restart(&mut self, change: impl FnOnce(&mut Options)) {
        let mut options = Options { storage: Storage::Hashes, ..Options::default() };
        change(&mut options);
        (self.emulator, self.client) = start_with(options);
    }

    /// Sends a request, whatever comes of it.
    pub(crate) fn send(&mut self, request: &Request) -> Answer {
        let answer = self.client.send(request);
        self.show(document::request(request), &answer);
        answer
    }

    /// Sends a request that must succeed.
    pub(crate) fn accepted(&mut self, request: &Request) -> Answer {
        let answer = self.send(request);
        assert!((200..300).contains(&answer.status), "{answer:?}");
        answer
    }

    /// Sends a request that must be refused so.
    pub(crate) fn refused(&mut self, request: &Request, status: u16, code: &str, message: &str) {
        self.send(request).expect_refusal(status, code, message);
    }

    /// Starts an upload and returns its ID.
    pub(crate) fn initiate(&mut self, part_size: usize) -> String {
        let answer = self.accepted(&Request::initiate(part_size));
        answer.header("x-amz-multipart-upload-id").unwrap().to_owned()
    }

    /// Records an exchange that did not go through [`Self::send`].
    pub(crate) fn show(&mut self, sent: impl Into<String>, answer: &Answer) {
        let named = |text: String| self.names.iter().fold(text, |text, (value, name)| text.replace(value, name));
        self.last = Some(Exchange {
            sent: named(sent.into()),
            came: named(document::answer(answer)),
            succeeded: answer.status < 300,
        });
    }

    /// Records a request that got no answer, as a refusal.
    pub(crate) fn show_no_answer(&mut self, sent: impl Into<String>, came: &str) {
        self.last = Some(Exchange { sent: sent.into(), came: came.to_owned(), succeeded: false });
    }

    /// The document calls this value so.
    pub(crate) fn name(&mut self, value: impl Into<String>, name: &'static str) {
        self.names.push((value.into(), name));
    }

    pub(crate) fn last(&self) -> Option<Exchange> {
        self.last.clone()
    }
}
