//! What a test may ask about: archives, uploads, requests.

use std::path::PathBuf;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::request::Operation;
use crate::stop::lock;

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRecord {
    /// The vault it is in.
    pub vault: String,
    /// Its ID.
    pub archive_id: String,
    /// The upload it was made of, unless it came in one request.
    pub upload_id: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// Its tree hash in hex.
    pub tree_hash: String,
    /// Its description.
    pub description: Option<String>,
    /// The file that holds its bytes, if they are kept.
    #[serde(skip_deserializing)]
    pub path: Option<PathBuf>,
}

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UploadRecord {
    /// Its ID.
    pub upload_id: String,
    /// The vault it is for.
    pub vault: String,
    /// The length of its parts but the last.
    pub part_size: u64,
    /// The description for its archive.
    pub description: Option<String>,
    /// The parts held, by range.
    pub parts: Vec<PartRecord>,
}

/// A part that the service holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartRecord {
    /// Its first byte.
    pub first: u64,
    /// Its last byte.
    pub last: u64,
    /// Its tree hash in hex.
    pub tree_hash: String,
}

/// A request, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Its place among all requests, counted from 0.
    pub number: usize,
    /// What it asks for; none, if that is no operation.
    pub operation: Option<Operation>,
    /// The method.
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    /// In the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The upload that it names, or has started.
    pub upload_id: Option<String>,
    /// The part it carries, counted from 0, if the service knows the upload.
    pub part: Option<u64>,
    /// First and last byte of the part it carries.
    pub range: Option<(u64, u64)>,
    /// Which connection it came on, counted from 0.
    pub connection: u64,
    /// What a fault did to it.
    pub faults: Vec<Action>,
    /// The bytes of its body that were read, once it is answered or over.
    pub body_bytes: u64,
    /// The tree hash of its body in hex, if it came whole; none with [`Storage::Count`](crate::Storage::Count).
    pub tree_hash: Option<String>,
    /// Whether it changed what the service holds, whatever became of the answer.
    pub changed: bool,
    /// The status of its answer, once that is being sent; none, if less than the whole answer went out.
    pub status: Option<u16>,
    /// Whether nothing of this will change any more.
    pub over: bool,
}

impl RequestRecord {
    /// The first value under this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// Every request so far. None is ever taken out.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    requests: Mutex<Vec<RequestRecord>>,
}

impl RequestLog {
    /// Adds a request that is made with its number.
    pub(crate) fn begin(&self, request: impl FnOnce(usize) -> RequestRecord) -> usize {
        let mut requests = lock(&self.requests);
        let number = requests.len();
        requests.push(request(number));
        number
    }

    /// Notes how a request went so far.
    pub(crate) fn note(&self, number: usize, change: impl FnOnce(&mut RequestRecord)) {
        lock(&self.requests).get_mut(number).map(change);
    }

    /// Those from this number on.
    pub(crate) fn from(&self, number: usize) -> Vec<RequestRecord> {
        lock(&self.requests).get(number..).unwrap_or_default().to_vec()
    }
}
