//! A Glacier that checks no signatures, stores the parts that it reads, and sends false acknowledgements as configured.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use glacier_mp::treehash::TreeHasher;

use crate::server::{Peer, Server};

/// The kinds of false acknowledgements of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FalseAck {
    /// Sent after the header section of the request. The payload is never read.
    Early,
    /// Sent after the header section of the request. The payload is read and dropped.
    EarlyAndReadsOn,
    /// Begins after the header section of the request and ends after the payload, which is dropped.
    BeginsEarly,
    /// Correct for the first request on a connection. The others are acknowledged early and not read.
    EarlyOnReusedConnection,
    /// Sent twice: the second one is for the next request, which is not read.
    Twice,
    /// Sent as soon as the connection is open. No request is read.
    Unrequested,
    /// Without a tree hash. The payload is read and dropped.
    WithoutHash,
    /// With the tree hash of another part. The payload is read and dropped.
    HashOfAnotherPart,
    /// For the part of the previous request. The payload is read and dropped.
    OutOfOrder,
    /// A response to Complete, which was not requested, after that of the part.
    Completion,
}

pub(crate) const FALSE_ACKS: [FalseAck; 10] = [
    FalseAck::Early,
    FalseAck::EarlyAndReadsOn,
    FalseAck::BeginsEarly,
    FalseAck::EarlyOnReusedConnection,
    FalseAck::Twice,
    FalseAck::Unrequested,
    FalseAck::WithoutHash,
    FalseAck::HashOfAnotherPart,
    FalseAck::OutOfOrder,
    FalseAck::Completion,
];

impl FalseAck {
    /// Whether it is sent before the payload arrives. Such a test needs parts that are larger than the buffers of both kernels.
    pub(crate) fn is_early(self) -> bool {
        matches!(
            self,
            Self::Early | Self::EarlyAndReadsOn | Self::BeginsEarly | Self::EarlyOnReusedConnection | Self::Unrequested
        )
    }

    /// Whether the service also stores parts while it sends such acknowledgements.
    pub(crate) fn is_partly_correct(self) -> bool {
        matches!(self, Self::EarlyOnReusedConnection | Self::Twice | Self::Completion)
    }
}

/// The response of the service to Complete.
pub(crate) type OnComplete = Box<dyn Fn(&mut Peer, &Archive) + Send + Sync>;

/// The acknowledgement of Complete.
pub(crate) struct Archive {
    /// The response, without a body.
    pub(crate) head: String,
}

/// The service.
pub(crate) struct Service {
    false_ack: Option<FalseAck>,
    /// The number of false acknowledgements left.
    false_acks: AtomicUsize,
    part_size: AtomicU64,
    /// The tree hashes of the source's parts.
    hashes: Vec<String>,
    archive_hash: String,
    stored: Mutex<BTreeMap<u64, Vec<u8>>>,
    archive: Mutex<Option<Vec<u8>>>,
    pub(crate) completes: AtomicUsize,
    last: AtomicUsize,
    on_complete: OnComplete,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("false_ack", &self.false_ack)
            .field("false_acks", &self.false_acks)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Starts a service that sends `false_acks` false acknowledgements. `parts`: the parts of the source.
    pub(crate) fn start(
        tls: bool,
        false_ack: Option<FalseAck>,
        false_acks: usize,
        parts: &[&[u8]],
    ) -> (Server, Arc<Self>) {
        Self::start_with(
            tls,
            false_ack,
            false_acks,
            parts,
            Box::new(|peer, archive| peer.send(format!("{}{{}}", archive.head))),
        )
    }

    /// The same with another response to Complete.
    pub(crate) fn start_with(
        tls: bool,
        false_ack: Option<FalseAck>,
        false_acks: usize,
        parts: &[&[u8]],
        on_complete: OnComplete,
    ) -> (Server, Arc<Self>) {
        let service = Arc::new(Self {
            false_ack,
            false_acks: AtomicUsize::new(false_acks),
            part_size: AtomicU64::new(0),
            hashes: parts.iter().map(|part| tree_hash(part)).collect(),
            archive_hash: tree_hash(&parts.concat()),
            stored: Mutex::default(),
            archive: Mutex::default(),
            completes: AtomicUsize::new(0),
            last: AtomicUsize::new(parts.len() - 1),
            on_complete,
        });
        let serving = Arc::clone(&service);
        (Server::either(tls, move |peer| serving.serve(peer)), service)
    }

    /// Returns the archive that Complete created from the stored parts.
    pub(crate) fn archive(&self) -> Option<Vec<u8>> {
        self.archive.lock().unwrap().clone()
    }

    fn take_false_ack(&self) -> bool {
        self.false_acks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |false_acks| false_acks.checked_sub(1)).is_ok()
    }

    fn serve(&self, peer: &mut Peer) {
        if self.false_ack.is_some_and(FalseAck::is_early) && self.false_acks.load(Ordering::SeqCst) > 0 {
            peer.narrow();
        }
        let is_initiated = self.part_size.load(Ordering::SeqCst) > 0;
        if self.false_ack == Some(FalseAck::Unrequested)
            && is_initiated
            && !self.has_all_parts()
            && self.take_false_ack()
        {
            peer.send(acknowledgement(&self.hashes[0]));
            return peer.hold();
        }
        let mut is_first = true;
        while let Some(head) = peer.request() {
            let request = Request(&head);
            let stays_open = match (request.method(), request.header("content-range")) {
                ("PUT", Some(range)) => self.upload_part(peer, &request, range, is_first),
                ("POST", _) if request.header("x-amz-part-size").is_some() => self.initiate(peer, &request),
                ("POST", _) => self.complete(peer, &request),
                ("GET", _) => self.list_parts(peer),
                other => panic!("{other:?}"),
            };
            if !stays_open {
                return;
            }
            is_first = false;
        }
    }

    fn initiate(&self, peer: &mut Peer, request: &Request<'_>) -> bool {
        self.part_size.store(request.header("x-amz-part-size").unwrap().parse().unwrap(), Ordering::SeqCst);
        // Each part uses a new connection.
        peer.send(
            "HTTP/1.1 201 Created\r\nx-amz-multipart-upload-id: U\r\nLocation: /1/vaults/v/multipart-uploads/U\r\n\
             Connection: close\r\nContent-Length: 0\r\n\r\n",
        );
        false
    }

    /// Returns true if the connection stays open.
    fn upload_part(&self, peer: &mut Peer, request: &Request<'_>, range: &str, is_first: bool) -> bool {
        let (first, last) = range.strip_prefix("bytes ").unwrap().strip_suffix("/*").unwrap().split_once('-').unwrap();
        let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
        let (length, part_size) = (last + 1 - first, self.part_size.load(Ordering::SeqCst));
        let index = usize::try_from(first / part_size).unwrap();
        let announced = acknowledgement(request.header("x-amz-sha256-tree-hash").unwrap());
        let before = self.last.swap(index, Ordering::SeqCst);
        let is_exempt = self.false_ack == Some(FalseAck::EarlyOnReusedConnection) && is_first;
        match self.false_ack.filter(|_| !is_exempt && self.take_false_ack()) {
            Some(FalseAck::Early | FalseAck::EarlyOnReusedConnection) => {
                peer.send(announced);
                peer.hold();
                false
            }
            Some(FalseAck::EarlyAndReadsOn) => {
                peer.send(announced);
                peer.payload(length);
                true
            }
            Some(FalseAck::BeginsEarly) => {
                let (start, rest) = announced.split_at(10);
                peer.send(start);
                peer.payload(length);
                peer.send(rest);
                true
            }
            Some(FalseAck::WithoutHash) => {
                peer.payload(length);
                peer.send("HTTP/1.1 204 No Content\r\n\r\n");
                true
            }
            Some(FalseAck::HashOfAnotherPart) => {
                peer.payload(length);
                peer.send(acknowledgement(&self.hashes[(index + 1) % self.hashes.len()]));
                true
            }
            Some(FalseAck::OutOfOrder) => {
                peer.payload(length);
                let other = if before == index { (index + 1) % self.hashes.len() } else { before };
                peer.send(acknowledgement(&self.hashes[other]));
                true
            }
            false_ack => {
                let bytes = peer.payload(length);
                if bytes.len() as u64 != length {
                    return false;
                }
                let correct = acknowledgement(&tree_hash(&bytes));
                self.stored.lock().unwrap().insert(first, bytes);
                match false_ack {
                    Some(FalseAck::Twice) => {
                        let next = &self.hashes[(index + 1) % self.hashes.len()];
                        peer.send(format!("{correct}{}", acknowledgement(next)));
                        peer.hold();
                        false
                    }
                    Some(FalseAck::Completion) => {
                        peer.send(format!("{correct}{}", completion(&self.archive_hash)));
                        peer.hold();
                        false
                    }
                    _ => {
                        peer.send(correct);
                        true
                    }
                }
            }
        }
    }

    fn has_all_parts(&self) -> bool {
        self.stored.lock().unwrap().len() == self.hashes.len()
    }

    /// Creates an archive from the stored parts, complete or not, and acknowledges the requested tree hash.
    fn complete(&self, peer: &mut Peer, request: &Request<'_>) -> bool {
        self.completes.fetch_add(1, Ordering::SeqCst);
        let bytes = self.stored.lock().unwrap().values().map(Vec::as_slice).collect::<Vec<_>>().concat();
        *self.archive.lock().unwrap() = Some(bytes);
        let requested_hash = request.header("x-amz-sha256-tree-hash").unwrap();
        (self.on_complete)(peer, &Archive { head: completion(requested_hash) });
        true
    }

    fn list_parts(&self, peer: &mut Peer) -> bool {
        let body = format!(
            r#"{{"ArchiveDescription":null,"CreationDate":"2012-03-20T17:03:43.221Z","Marker":null,"MultipartUploadId":"U",
               "PartSizeInBytes":{},"Parts":[],"VaultARN":"arn:aws:glacier:us-east-1:1:vaults/v"}}"#,
            self.part_size.load(Ordering::SeqCst)
        );
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        true
    }
}

fn acknowledgement(hash: &str) -> String {
    format!("HTTP/1.1 204 No Content\r\nx-amz-sha256-tree-hash: {hash}\r\n\r\n")
}

fn completion(hash: &str) -> String {
    format!(
        "HTTP/1.1 201 Created\r\nx-amz-archive-id: A\r\nLocation: /1/vaults/v/archives/A\r\n\
         x-amz-sha256-tree-hash: {hash}\r\nContent-Length: 2\r\n\r\n"
    )
}

pub(crate) fn tree_hash(bytes: &[u8]) -> String {
    let mut hasher = TreeHasher::new();
    hasher.update(bytes);
    hasher.finish().to_hex()
}

/// The header section of a request.
struct Request<'a>(&'a str);

impl<'a> Request<'a> {
    fn method(&self) -> &'a str {
        self.0.split(' ').next().unwrap()
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}
