//! The records that a test can query: archives, uploads, requests.

use std::path::PathBuf;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::request::Operation;
use crate::stop::lock;

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRecord {
    /// The vault.
    pub vault: String,
    /// The archive ID.
    pub archive_id: String,
    /// The upload that created it. `None` for UploadArchive.
    pub upload_id: Option<String>,
    /// The length in bytes.
    pub size: u64,
    /// The tree hash in hex.
    pub tree_hash: String,
    /// The description.
    pub description: Option<String>,
    /// The file with the bytes, if they are stored.
    #[serde(skip_deserializing)]
    pub path: Option<PathBuf>,
}

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UploadRecord {
    /// The upload ID.
    pub upload_id: String,
    /// The vault.
    pub vault: String,
    /// The part size. The last part may be shorter.
    pub part_size: u64,
    /// The description of the archive.
    pub description: Option<String>,
    /// The stored parts, in the order of their ranges.
    pub parts: Vec<PartRecord>,
}

/// A stored part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartRecord {
    /// The offset of the first byte.
    pub first: u64,
    /// The offset of the last byte.
    pub last: u64,
    /// The tree hash in hex.
    pub tree_hash: String,
}

/// A request and its progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// The number of the request, from 0.
    pub number: usize,
    /// The operation. `None` if the request names no operation.
    pub operation: Option<Operation>,
    /// The HTTP method.
    pub method: String,
    /// The path and the query, not decoded.
    pub target: String,
    /// The headers in the order of the request, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The upload that the request names or has initiated.
    pub upload_id: Option<String>,
    /// The index of the part, from 0. `None` if the service does not know the upload.
    pub part: Option<u64>,
    /// The first and last byte of the part.
    pub range: Option<(u64, u64)>,
    /// The number of the connection, from 0.
    pub connection: u64,
    /// The actions of the faults that apply to the request.
    pub faults: Vec<Action>,
    /// The bytes of the body that were read. Set when the response is sent or the request has ended.
    pub body_bytes: u64,
    /// The tree hash of a complete body in hex. `None` with [`Storage::Count`](crate::Storage::Count).
    pub tree_hash: Option<String>,
    /// Whether the request changed the stored data, even if its response was lost.
    pub changed: bool,
    /// The status of the response, set when sending begins. `None` if only a part of the response is sent.
    pub status: Option<u16>,
    /// Whether the record is final.
    pub over: bool,
}

impl RequestRecord {
    /// Returns the first value of the header `name`, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// All requests. No request is ever removed.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    requests: Mutex<Vec<RequestRecord>>,
}

impl RequestLog {
    /// Adds a request and returns its number.
    pub(crate) fn begin(&self, request: impl FnOnce(usize) -> RequestRecord) -> usize {
        let mut requests = lock(&self.requests);
        let number = requests.len();
        requests.push(request(number));
        number
    }

    /// Changes the record of a request.
    pub(crate) fn update_record(&self, number: usize, change: impl FnOnce(&mut RequestRecord)) {
        lock(&self.requests).get_mut(number).map(change);
    }

    /// Returns the requests from this number on.
    pub(crate) fn from(&self, number: usize) -> Vec<RequestRecord> {
        lock(&self.requests).get(number..).unwrap_or_default().to_vec()
    }
}
