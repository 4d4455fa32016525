//! A Glacier that checks no signature, holds what it reads, and lies as it is told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use glacier_mp::treehash::TreeHasher;

use crate::server::{Peer, Server};

/// What is untrue of the acknowledgement of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// It comes after the header section of the request. The payload is never read.
    Early,
    /// It comes after the header section of the request. The payload is read and dropped.
    EarlyAndReadsOn,
    /// It begins after the header section of the request, and ends after the payload, which is dropped.
    BeginsEarly,
    /// The first request on a connection is served. The others are acknowledged early and not read.
    EarlyOnReusedConnection,
    /// It comes twice: the second one is for the next request, which is not read.
    Twice,
    /// It comes as soon as there is a connection. No request is read.
    Unasked,
    /// It has no tree hash. The payload is read and dropped.
    WithoutHash,
    /// It has the tree hash of another part. The payload is read and dropped.
    HashOfAnotherPart,
    /// It is the one of the part that was requested before. The payload is read and dropped.
    OutOfOrder,
    /// It is the one of Complete, which was not asked for, behind that of the part.
    Completion,
}

pub(crate) const LIES: [Lie; 10] = [
    Lie::Early,
    Lie::EarlyAndReadsOn,
    Lie::BeginsEarly,
    Lie::EarlyOnReusedConnection,
    Lie::Twice,
    Lie::Unasked,
    Lie::WithoutHash,
    Lie::HashOfAnotherPart,
    Lie::OutOfOrder,
    Lie::Completion,
];

impl Lie {
    /// Whether it is told before the payload is sent. Then a part must be larger than what the kernels hold between the two
    /// ends, for them to show the difference.
    pub(crate) fn is_early(self) -> bool {
        matches!(
            self,
            Self::Early | Self::EarlyAndReadsOn | Self::BeginsEarly | Self::EarlyOnReusedConnection | Self::Unasked
        )
    }

    /// Whether the service serves the requests that it does not lie about.
    pub(crate) fn spares_some(self) -> bool {
        matches!(self, Self::EarlyOnReusedConnection | Self::Twice | Self::Completion)
    }
}

/// What the service does when it is asked to complete the upload.
pub(crate) type OnComplete = Box<dyn Fn(&mut Peer, &Archive) + Send + Sync>;

/// How Complete would be acknowledged.
pub(crate) struct Archive {
    /// The response, without a body.
    pub(crate) head: String,
}

/// The service.
pub(crate) struct Service {
    lie: Option<Lie>,
    /// How many more times it lies.
    lies: AtomicUsize,
    part_size: AtomicU64,
    /// The tree hashes of the source's parts.
    hashes: Vec<String>,
    archive_hash: String,
    held: Mutex<BTreeMap<u64, Vec<u8>>>,
    archive: Mutex<Option<Vec<u8>>>,
    pub(crate) completes: AtomicUsize,
    last: AtomicUsize,
    on_complete: OnComplete,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("lie", &self.lie).field("lies", &self.lies).finish_non_exhaustive()
    }
}

impl Service {
    /// A service that tells a lie that many times, and knows what the parts will be.
    pub(crate) fn start(tls: bool, lie: Option<Lie>, lies: usize, parts: &[&[u8]]) -> (Server, Arc<Self>) {
        Self::start_with(tls, lie, lies, parts, Box::new(|peer, archive| peer.send(format!("{}{{}}", archive.head))))
    }

    /// The same, with a Complete of its own.
    pub(crate) fn start_with(
        tls: bool,
        lie: Option<Lie>,
        lies: usize,
        parts: &[&[u8]],
        on_complete: OnComplete,
    ) -> (Server, Arc<Self>) {
        let service = Arc::new(Self {
            lie,
            lies: AtomicUsize::new(lies),
            part_size: AtomicU64::new(0),
            hashes: parts.iter().map(|part| tree_hash(part)).collect(),
            archive_hash: tree_hash(&parts.concat()),
            held: Mutex::default(),
            archive: Mutex::default(),
            completes: AtomicUsize::new(0),
            last: AtomicUsize::new(parts.len() - 1),
            on_complete,
        });
        let serving = Arc::clone(&service);
        (Server::either(tls, move |peer| serving.serve(peer)), service)
    }

    /// The archive that a request to complete made of what is held.
    pub(crate) fn archive(&self) -> Option<Vec<u8>> {
        self.archive.lock().unwrap().clone()
    }

    fn lies_now(&self) -> bool {
        self.lies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |lies| lies.checked_sub(1)).is_ok()
    }

    fn serve(&self, peer: &mut Peer) {
        if self.lie.is_some_and(Lie::is_early) && self.lies.load(Ordering::SeqCst) > 0 {
            peer.narrow();
        }
        let is_initiated = self.part_size.load(Ordering::SeqCst) > 0;
        if self.lie == Some(Lie::Unasked) && is_initiated && self.held_all().is_none() && self.lies_now() {
            peer.send(acknowledgement(&self.hashes[0]));
            return peer.hold();
        }
        let mut is_first = true;
        while let Some(head) = peer.request() {
            let request = Request(&head);
            let goes_on = match (request.method(), request.header("content-range")) {
                ("PUT", Some(range)) => self.upload_part(peer, &request, range, is_first),
                ("POST", _) if request.header("x-amz-part-size").is_some() => self.initiate(peer, &request),
                ("POST", _) => self.complete(peer, &request),
                ("GET", _) => self.list_parts(peer),
                other => panic!("{other:?}"),
            };
            if !goes_on {
                return;
            }
            is_first = false;
        }
    }

    fn initiate(&self, peer: &mut Peer, request: &Request<'_>) -> bool {
        self.part_size.store(request.header("x-amz-part-size").unwrap().parse().unwrap(), Ordering::SeqCst);
        // The parts come on connections of their own.
        peer.send(
            "HTTP/1.1 201 Created\r\nx-amz-multipart-upload-id: U\r\nLocation: /1/vaults/v/multipart-uploads/U\r\n\
             Connection: close\r\nContent-Length: 0\r\n\r\n",
        );
        false
    }

    /// Whether the connection goes on.
    fn upload_part(&self, peer: &mut Peer, request: &Request<'_>, range: &str, is_first: bool) -> bool {
        let (first, last) = range.strip_prefix("bytes ").unwrap().strip_suffix("/*").unwrap().split_once('-').unwrap();
        let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
        let (length, part_size) = (last + 1 - first, self.part_size.load(Ordering::SeqCst));
        let index = usize::try_from(first / part_size).unwrap();
        let announced = acknowledgement(request.header("x-amz-sha256-tree-hash").unwrap());
        let before = self.last.swap(index, Ordering::SeqCst);
        let spared = self.lie == Some(Lie::EarlyOnReusedConnection) && is_first;
        match self.lie.filter(|_| !spared && self.lies_now()) {
            Some(Lie::Early | Lie::EarlyOnReusedConnection) => {
                peer.send(announced);
                peer.hold();
                false
            }
            Some(Lie::EarlyAndReadsOn) => {
                peer.send(announced);
                peer.payload(length);
                true
            }
            Some(Lie::BeginsEarly) => {
                let (start, rest) = announced.split_at(10);
                peer.send(start);
                peer.payload(length);
                peer.send(rest);
                true
            }
            Some(Lie::WithoutHash) => {
                peer.payload(length);
                peer.send("HTTP/1.1 204 No Content\r\n\r\n");
                true
            }
            Some(Lie::HashOfAnotherPart) => {
                peer.payload(length);
                peer.send(acknowledgement(&self.hashes[(index + 1) % self.hashes.len()]));
                true
            }
            Some(Lie::OutOfOrder) => {
                peer.payload(length);
                let other = if before == index { (index + 1) % self.hashes.len() } else { before };
                peer.send(acknowledgement(&self.hashes[other]));
                true
            }
            lie => {
                let bytes = peer.payload(length);
                if bytes.len() as u64 != length {
                    return false;
                }
                let honest = acknowledgement(&tree_hash(&bytes));
                self.held.lock().unwrap().insert(first, bytes);
                match lie {
                    Some(Lie::Twice) => {
                        let next = &self.hashes[(index + 1) % self.hashes.len()];
                        peer.send(format!("{honest}{}", acknowledgement(next)));
                        peer.hold();
                        false
                    }
                    Some(Lie::Completion) => {
                        peer.send(format!("{honest}{}", completion(&self.archive_hash)));
                        peer.hold();
                        false
                    }
                    _ => {
                        peer.send(honest);
                        true
                    }
                }
            }
        }
    }

    fn held_all(&self) -> Option<Vec<u8>> {
        let held = self.held.lock().unwrap();
        (held.len() == self.hashes.len()).then(|| held.values().flatten().copied().collect())
    }

    /// Lies as well: it makes an archive of whatever is held, and says what was hoped for.
    fn complete(&self, peer: &mut Peer, request: &Request<'_>) -> bool {
        self.completes.fetch_add(1, Ordering::SeqCst);
        let bytes: Vec<u8> = self.held.lock().unwrap().values().flatten().copied().collect();
        *self.archive.lock().unwrap() = Some(bytes);
        let hoped = request.header("x-amz-sha256-tree-hash").unwrap();
        (self.on_complete)(peer, &Archive { head: completion(hoped) });
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
