//! A server that plays STS, SSO, containers and instances; a transport that sends every request to it; and a transport that
//! plays Glacier and records the keys.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use glacier_mp::clock::{Clock, SystemClock};
use glacier_mp::config::Config;
use glacier_mp::credentials::{Route, Transports};
use glacier_mp::environment::Environment;
use glacier_mp::error::Result;
use glacier_mp::http::{Connection, Endpoint, Request, RequestContext, Response, Transport};

use crate::support::acceptor::Acceptor;
use crate::time::iso8601;

/// A request that the server received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// The URL that the client requested.
    pub(crate) url: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns a decoded field of the form in the body.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let pair = self.body.split('&').filter_map(|pair| pair.split_once('=')).find(|(have, _)| *have == name);
        pair.map(|(_, value)| decoded(value))
    }
}

/// Decodes percent-encoding and `+`.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match first {
            b'%' => (u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap(), &tail[2..]),
            b'+' => (b' ', tail),
            byte => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).unwrap()
}

/// What the server does with a request.
pub(crate) enum Reply {
    Response {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// Sends bytes, and closes the connection.
    Raw(Vec<u8>),
    /// Sends these bytes again and again, after each pause.
    Endless(Vec<u8>, Vec<u8>, Duration),
    /// Sends nothing.
    Silence,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self::Response { status, headers: vec![], body: body.into() }
    }
}

/// Returns keys in the document of containers and instances, which expire after `seconds`.
pub(crate) fn metadata_keys(id: &str, seconds: i64) -> Reply {
    let expires = iso8601(SystemClock::new().unix_time() + seconds);
    Reply::new(
        200,
        format!(
            r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"s","Token":"t","Expiration":"{expires}"}}"#
        ),
    )
}

type Respond = dyn Fn(&Received, usize) -> Reply + Send + Sync;

/// The server.
pub(crate) struct Fake {
    acceptor: Acceptor,
    received: Arc<Mutex<Vec<Received>>>,
}

/// The header in which the transport names the endpoint that the client requested.
const ENDPOINT_HEADER: &str = "x-test-endpoint";

impl Fake {
    /// Starts a server. `respond` gets a request and the number of requests before it.
    pub(crate) fn start(respond: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static) -> Self {
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        Self { acceptor: Acceptor::start(move |stream| serve(stream, &log, &respond)), received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.acceptor.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn transports(&self) -> Arc<Redirecting> {
        Arc::new(Redirecting { to: Endpoint::parse(&self.url()).unwrap(), routes: Mutex::default() })
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Received>>, respond: &Respond) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(received) = read_request(&mut reader) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(received.clone());
            log.len() - 1
        };
        match respond(&received, number) {
            Reply::Response { status, headers, body } => {
                let mut text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    text += &format!("{name}: {value}\r\n");
                }
                if stream.write_all(format!("{text}\r\n{body}").as_bytes()).is_err() {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Reply::Endless(start, piece, pause) => {
                let _ = stream.write_all(&start);
                while stream.write_all(&piece).is_ok() {
                    thread::sleep(pause);
                }
                return;
            }
            Reply::Silence => {
                let _ = reader.read(&mut [0]);
                return;
            }
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let get = |name: &str| headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone());
    let mut body = vec![0; get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let endpoint = get(ENDPOINT_HEADER).unwrap_or_default();
    let body = String::from_utf8(body).unwrap();
    Some(Received { method, url: format!("{endpoint}{target}"), target, headers, body })
}

/// Transports that send each request to the fake, whatever its endpoint.
#[derive(Debug)]
pub(crate) struct Redirecting {
    to: Endpoint,
    /// The endpoints and their routes.
    pub(crate) routes: Mutex<Vec<(String, Route)>>,
}

impl Transports for Redirecting {
    fn transport(&self, endpoint: &Endpoint, route: Route, time_limit: Duration) -> Result<Arc<dyn Transport>> {
        self.routes.lock().unwrap().push((endpoint.to_string(), route));
        let mut config = Config::new(Environment::isolated());
        config.set_region("us-east-1")?;
        let network = config.resolve()?.network()?.with_timeouts(time_limit, time_limit);
        let inner = network.direct_transport(&self.to)?;
        Ok(Arc::new(Naming { inner: Arc::new(inner), endpoint: endpoint.to_string() }))
    }
}

/// Adds the endpoint to each request.
#[derive(Debug)]
struct Naming {
    inner: Arc<dyn Transport>,
    endpoint: String,
}

#[derive(Debug)]
struct NamingConnection {
    inner: Box<dyn Connection>,
    endpoint: String,
}

impl Transport for Naming {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(NamingConnection { inner: self.inner.connection(), endpoint: self.endpoint.clone() })
    }
}

impl Connection for NamingConnection {
    fn open(&mut self, context: &RequestContext) -> Result<()> {
        self.inner.open(context)
    }

    fn exchange(&mut self, request: &Request, payload: &mut dyn BufRead, context: &RequestContext) -> Result<Response> {
        let mut request = request.clone();
        request.headers.push((ENDPOINT_HEADER, self.endpoint.clone()));
        self.inner.exchange(&request, payload, context)
    }
}

/// A Glacier whose vault has no uploads. Records the requests.
#[derive(Debug, Default)]
pub(crate) struct EmptyVault {
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    /// The responses to the first requests, before those of an empty vault: status and body.
    pub(crate) errors: Arc<Mutex<Vec<(u16, String)>>>,
}

impl Transport for EmptyVault {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(EmptyVault { requests: Arc::clone(&self.requests), errors: Arc::clone(&self.errors) })
    }
}

impl Connection for EmptyVault {
    fn open(&mut self, _: &RequestContext) -> Result<()> {
        Ok(())
    }

    fn exchange(&mut self, request: &Request, _: &mut dyn BufRead, _: &RequestContext) -> Result<Response> {
        self.requests.lock().unwrap().push(request.clone());
        let mut errors = self.errors.lock().unwrap();
        let (status, body) = match errors.is_empty() {
            true => (200, r#"{"Marker":null,"UploadsList":[]}"#.to_owned()),
            false => errors.remove(0),
        };
        let headers = vec![("x-amzn-requestid".to_owned(), "1".to_owned())];
        Ok(Response { status, headers, body: body.into_bytes() })
    }
}
