//! The causes of errors that decide about a retry: an outdated signature, and a connection that was not opened.

/// Why the service rejected a signature as out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureExpired {
    /// The machine's clock was wrong. The skew is now known, so the request can be signed again.
    ClockSkew,
    /// The key has expired. The credentials provider can supply another one, so the request can be signed again.
    KeyExpired,
    /// The clock is correct: the request took longer than a signature is valid.
    TooSlow,
}

/// The step in which opening a connection failed. The server processed nothing of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// The host name does not exist or has no address (`EAI_NONAME`, `EAI_NODATA`).
    NameNotFound,
    /// The name lookup failed for another reason, such as a name server that does not respond (`EAI_AGAIN`).
    NameLookup,
    /// No address accepted a TCP connection within the connect timeout.
    Tcp,
    /// The connection was lost, or timed out, during the TLS handshake.
    TlsHandshake,
    /// The server was reached, but its certificate was rejected. Permanent.
    CertificateRefused,
    /// The server was reached, but the TLS handshake failed for another reason: it does not speak TLS, it has no TLS settings
    /// in common with this library, or it rejected the handshake. Permanent until the client has connected once.
    TlsRefused,
    /// The connection was open, but the server then rejected the client, which has no certificate (TLS 1.3). Permanent until the client has received a response.
    ClientRefused,
    /// The proxy did not open a connection to the server: it responded with 408, 429 or a 5xx status or not with HTTP, or it
    /// closed the connection.
    Proxy,
    /// The proxy was reached, but it requires other credentials or does not allow the connection. Permanent.
    ProxyRefused,
    /// The process or the system has no file descriptor or memory for another socket.
    NoResources,
}
