//! A small HTTP client for tests of the emulator. It sends exactly the given request, valid or not.

#![allow(dead_code, reason = "each test file uses its own share of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, which clippy sees only inside of tests")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use glacier_emulator::{Emulator, Options, Storage};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use sha2::{Digest, Sha256};

/// One mebibyte.
pub(crate) const MIB: usize = 1 << 20;

/// The default vault.
pub(crate) const VAULT: &str = "/-/vaults/examplevault";

/// A request to sign and send.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Headers that are sent but not signed.
    pub(crate) unsigned: Vec<String>,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// The offset of the client's clock in seconds.
    pub(crate) clock_offset: i64,
    /// The value of `Content-Length`, if it differs from the body's length. `None` omits the header.
    pub(crate) content_length: Option<u64>,
    /// Whether the signature is sent.
    pub(crate) authorization: bool,
    /// The header with the time of the signature.
    pub(crate) date_header: &'static str,
    /// The signed value of `Host`, if it differs from the sent one.
    pub(crate) signed_host: Option<String>,
    /// Whether `Host` is sent.
    pub(crate) sends_host: bool,
    /// The body whose hash is signed without `x-amz-content-sha256`, if it differs from the sent one.
    pub(crate) signed_body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, target: impl Into<String>) -> Self {
        let defaults = Options::default();
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: vec![("x-amz-glacier-version".to_owned(), "2012-06-01".to_owned())],
            body: Vec::new(),
            unsigned: Vec::new(),
            access_key: defaults.access_key,
            secret_key: defaults.secret_key,
            region: defaults.region,
            service: "glacier".to_owned(),
            clock_offset: 0,
            content_length: Some(0),
            authorization: true,
            date_header: "x-amz-date",
            signed_host: None,
            sends_host: true,
            signed_body: None,
        }
    }

    pub(crate) fn initiate(part_size: usize) -> Self {
        Self::new("POST", format!("{VAULT}/multipart-uploads")).header("x-amz-part-size", part_size.to_string())
    }

    pub(crate) fn part(upload_id: &str, first: usize, body: &[u8]) -> Self {
        let last = first + body.len() - 1;
        Self::new("PUT", upload(upload_id)).header("content-range", format!("bytes {first}-{last}/*")).payload(body)
    }

    pub(crate) fn complete(upload_id: &str, archive: &[u8]) -> Self {
        Self::new("POST", upload(upload_id))
            .header("x-amz-archive-size", archive.len().to_string())
            .header("x-amz-sha256-tree-hash", tree_hash(archive))
    }

    pub(crate) fn abort(upload_id: &str) -> Self {
        Self::new("DELETE", upload(upload_id))
    }

    pub(crate) fn list_parts(upload_id: &str, query: &str) -> Self {
        Self::new("GET", format!("{}{query}", upload(upload_id)))
    }

    pub(crate) fn list_uploads(query: &str) -> Self {
        Self::new("GET", format!("{VAULT}/multipart-uploads{query}"))
    }

    pub(crate) fn archive(body: &[u8]) -> Self {
        Self::new("POST", format!("{VAULT}/archives")).payload(body)
    }

    /// Sets a header and replaces one with the same name.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(have, _)| have != name);
        self
    }

    /// Sets the body and both its hashes.
    pub(crate) fn payload(self, body: &[u8]) -> Self {
        self.header("x-amz-content-sha256", hex::encode(Sha256::digest(body)))
            .header("x-amz-sha256-tree-hash", tree_hash(body))
            .body(body)
    }

    /// Sets the body and its length.
    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.content_length = Some(body.len() as u64);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Returns the head as sent.
    pub(crate) fn head(&self, host: &str) -> Vec<u8> {
        let mut headers = Vec::new();
        if self.sends_host {
            headers.push(("host".to_owned(), host.to_owned()));
        }
        headers.extend(self.headers.iter().cloned());
        if self.authorization {
            headers.extend(self.signature(host));
        }
        if let Some(length) = self.content_length {
            headers.push(("content-length".to_owned(), length.to_string()));
        }
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        (text + "\r\n").into_bytes()
    }

    /// Returns the headers that the signature adds: the time and the signature.
    pub(crate) fn signature(&self, host: &str) -> Vec<(String, String)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let time = UNIX_EPOCH + Duration::from_secs(now.checked_add_signed(self.clock_offset).unwrap());
        let mut settings = SigningSettings::default();
        if self.date_header == "x-amz-date" {
            return self.sign(host, &self.headers, time, settings);
        }
        // The crate always signs x-amz-date. The first signature yields the formatted time, which the second signs as `Date`.
        let written = self.sign(host, &self.headers, time, settings.clone());
        let written = written.into_iter().find(|(name, _)| name == "x-amz-date").unwrap().1;
        let date = (self.date_header.to_owned(), written);
        settings.excluded_headers = Some(vec!["x-amz-date".into()]);
        let headers = [self.headers.as_slice(), std::slice::from_ref(&date)].concat();
        let signed = self.sign(host, &headers, time, settings);
        std::iter::once(date).chain(signed.into_iter().filter(|(name, _)| name != "x-amz-date")).collect()
    }

    fn sign(
        &self,
        host: &str,
        headers: &[(String, String)],
        time: SystemTime,
        settings: SigningSettings,
    ) -> Vec<(String, String)> {
        let host = ("host".to_owned(), self.signed_host.clone().unwrap_or_else(|| host.to_owned()));
        let named = std::iter::once(&host).chain(headers).filter(|(name, _)| !self.unsigned.contains(name));
        let named = named.map(|(name, value)| (name.as_str(), value.as_str()));
        let payload = headers.iter().find(|(name, _)| name == "x-amz-content-sha256").map(|(_, value)| value.clone());
        let body = self.signed_body.as_deref().unwrap_or(&self.body);
        let payload = payload.map_or(SignableBody::Bytes(body), SignableBody::Precomputed);
        let identity = Credentials::new(&self.access_key, &self.secret_key, None, None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let request = SignableRequest::new(&self.method, self.target.as_str(), named, payload).unwrap();
        let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
        instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

pub(crate) fn upload(upload_id: &str) -> String {
    format!("{VAULT}/multipart-uploads/{upload_id}")
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }

    /// Checks a refusal: this status, this code and a message that contains `message`.
    pub(crate) fn expect_refusal(&self, status: u16, code: &str, message: &str) {
        let document = self.json();
        let got = (self.status, document["code"].as_str(), document["type"].as_str());
        assert_eq!(got, (status, Some(code), Some(if status < 500 { "Client" } else { "Server" })), "{document}");
        let text = document["message"].as_str().unwrap_or_default();
        assert!(text.contains(message), "{text:?} has no {message:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert!(self.header("x-amzn-requestid").is_some());
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) host: String,
    stream: BufReader<Stream>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Client {
    /// Connects with plain HTTP, whatever the scheme of the endpoint.
    pub(crate) fn connect_without_tls(endpoint: &str) -> Self {
        let (host, tcp) = dial(endpoint);
        Self { host, stream: BufReader::new(Stream::Plain(tcp)) }
    }

    pub(crate) fn connect(emulator: &Emulator) -> Self {
        let (host, tcp) = dial(emulator.endpoint());
        let stream = match emulator.ca_pem() {
            None => Stream::Plain(tcp),
            Some(pem) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
                let config =
                    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                        .with_safe_default_protocol_versions()
                        .unwrap()
                        .with_root_certificates(roots)
                        .with_no_client_auth();
                let name = ServerName::try_from("127.0.0.1").unwrap();
                let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
                Stream::Tls(Box::new(rustls::StreamOwned::new(session, tcp)))
            }
        };
        Self { host, stream: BufReader::new(stream) }
    }

    /// Sends a request and returns its response. Panics if none arrives.
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|e| panic!("{e} for {} {}", request.method, request.target))
    }

    pub(crate) fn try_send(&mut self, request: &Request) -> io::Result<Response> {
        let mut bytes = request.head(&self.host);
        bytes.extend(&request.body);
        self.write(&bytes)?;
        self.read_response()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.stream.get_mut() {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    pub(crate) fn read_response(&mut self) -> io::Result<Response> {
        let status_line = self.read_line()?;
        let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("{status_line:?}"));
        let status =
            status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(bad)?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").ok_or_else(bad)?;
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value.as_str());
        let mut body = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut body)?;
        Ok(Response { status, headers, body })
    }

    /// Returns all bytes until the connection ends, and how it ends.
    pub(crate) fn read_to_end(&mut self) -> (String, io::Result<()>) {
        let mut bytes = Vec::new();
        let ended = self.stream.read_to_end(&mut bytes).map(drop);
        (String::from_utf8(bytes).unwrap(), ended)
    }

    /// Whether the server has closed the connection without further bytes.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0]).is_ok_and(|read| read == 0)
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match self.stream.get_ref() {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        }
    }

    /// Initiates an upload and returns its ID.
    pub(crate) fn initiate(&mut self, part_size: usize) -> String {
        let response = self.send(&Request::initiate(part_size));
        assert_eq!(response.status, 201, "{response:?}");
        response.header("x-amz-multipart-upload-id").unwrap().to_owned()
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn dial(endpoint: &str) -> (String, TcpStream) {
    let host = endpoint.split_once("://").unwrap().1.to_owned();
    let tcp = TcpStream::connect(&host).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (host, tcp)
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

/// An emulator that stores only hashes, and a connection to it.
pub(crate) fn start() -> (Emulator, Client) {
    start_with(Options { storage: Storage::Hashes, ..Options::default() })
}

pub(crate) fn start_with(options: Options) -> (Emulator, Client) {
    let emulator = Emulator::start(options).unwrap();
    let client = Client::connect(&emulator);
    (emulator, client)
}

/// Bytes that differ between parts.
pub(crate) fn data(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i + i / MIB * 31) % 251).unwrap()).collect()
}

/// The tree hash by its definition: pairs of hashes, from leaves of 1 MiB.
pub(crate) fn tree_hash(bytes: &[u8]) -> String {
    fn root(bytes: &[u8]) -> [u8; 32] {
        if bytes.len() <= MIB {
            return Sha256::digest(bytes).into();
        }
        // The left subtree is the largest full tree that leaves bytes for the right one.
        let leaves = bytes.len().div_ceil(MIB);
        let (left, right) = bytes.split_at(leaves.next_power_of_two() / 2 * MIB);
        Sha256::new().chain_update(root(left)).chain_update(root(right)).finalize().into()
    }
    hex::encode(root(bytes))
}
