//! AWS Signature Version 4. It is pure: the time and the headers to sign are arguments.
//!
//! A signature is valid for a few minutes, so each attempt is signed again. The signing key is valid for a day and is cached.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::dates::{amz_date, amz_day};
use crate::percent;
use crate::sanitize::Redactor;
use crate::secret::Secret;
use crate::sync::{Mutex, lock};

/// Glacier's name in signatures.
pub const SERVICE: &str = "glacier";

/// The SHA-256 of an empty payload.
pub const EMPTY_PAYLOAD_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// An access key. Its secrets are never shown, and are wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Key {
    access_key_id: String,
    secret: Secret,
    session_token: Option<Secret>,
}

impl Key {
    /// Creates a key. A temporary key has a session token.
    pub fn new(access_key_id: impl Into<String>, secret: impl Into<String>, session_token: Option<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret: Secret::new(secret.into()),
            session_token: session_token.map(Secret::new),
        }
    }

    /// Adds the secrets of the key to a redactor.
    pub fn register(&self, redactor: &Redactor) {
        redactor.add(self.secret.expose());
        if let Some(token) = &self.session_token {
            redactor.add(token.expose());
        }
    }

    /// Returns whether both keys are the same, session token included.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.access_key_id == other.access_key_id
            && self.secret.is_same(&other.secret)
            && match (&self.session_token, &other.session_token) {
                (Some(token), Some(other)) => token.is_same(other),
                (token, other) => token.is_none() && other.is_none(),
            }
    }

    /// The access key ID, which is not secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The parts of a request that the signature covers.
#[derive(Clone, Debug)]
pub struct UnsignedRequest<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// Path and query as in the request line, percent-encoded.
    pub target: &'a str,
    /// The headers to sign, names in lower case, in any order.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The SHA-256 of the payload, in lower-case hexadecimal digits.
    pub payload_sha256: &'a str,
}

/// Returns true if a header is signed by default: it determines the destination or the meaning of the request.
pub fn is_signed_by_default(name: &str) -> bool {
    name == "host" || name == "content-range" || name.starts_with("x-amz-")
}

/// Signs requests to one service in one region and caches the last signing key.
pub struct Signer {
    service: &'static str,
    region: String,
    cache: Mutex<Option<CachedKey>>,
}

/// A signing key, with the date and secret that it was derived from.
struct CachedKey {
    date: String,
    secret: Secret,
    signing_key: SigningKey,
}

impl Signer {
    /// Creates a signer for Glacier in a region.
    pub fn new(region: impl Into<String>) -> Self {
        Self::for_service(SERVICE, region)
    }

    /// Creates a signer for a service, by its name in signatures, in a region.
    pub fn for_service(service: &'static str, region: impl Into<String>) -> Self {
        Self { service, region: region.into(), cache: Mutex::new(None) }
    }

    /// The region in signatures.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the headers to add to `request`: `x-amz-date`, `x-amz-security-token` if the key has a session token, and
    /// `authorization`. The signature covers the first two. `request` must not contain any of them.
    pub fn sign(&self, request: &UnsignedRequest<'_>, key: &Key, unix_time: i64) -> Vec<(&'static str, String)> {
        let mut added = vec![("x-amz-date", amz_date(unix_time))];
        if let Some(token) = &key.session_token {
            added.push(("x-amz-security-token", token.expose().to_owned()));
        }
        let mut request = request.clone();
        request.headers.extend(added.iter().map(|(name, value)| (*name, value.as_str())));

        // The canonical request contains the session token. Hashing it in pieces keeps it out of memory.
        let mut hasher = HashWriter(Sha256::new());
        let _ = write_canonical_request(&request, &mut hasher);
        let scope = scope(self.service, &self.region, unix_time);
        let string_to_sign = string_to_sign_for_hash(&hex::encode(hasher.0.finalize()), &scope, unix_time);
        let signature = self.signing_key(key, unix_time).signature(&string_to_sign);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            key.access_key_id,
            scope,
            signed_headers(&request),
        );
        added.push(("authorization", authorization));
        added
    }

    fn signing_key(&self, key: &Key, unix_time: i64) -> SigningKey {
        let date = amz_day(unix_time);
        let mut cache = lock(&self.cache);
        if let Some(cached) = cache.as_ref()
            && cached.date == date
            && cached.secret.is_same(&key.secret)
        {
            return cached.signing_key.clone();
        }
        let signing_key = SigningKey::derive_for(self.service, key, &self.region, unix_time);
        *cache = Some(CachedKey { date, secret: key.secret.clone(), signing_key: signing_key.clone() });
        signing_key
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

/// The key that signs the requests of one day in one region.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// Derives the signing key of an access key for Glacier and the day of `unix_time`.
    pub fn derive(key: &Key, region: &str, unix_time: i64) -> Self {
        Self::derive_for(SERVICE, key, region, unix_time)
    }

    fn derive_for(service: &str, key: &Key, region: &str, unix_time: i64) -> Self {
        let secret = Zeroizing::new(format!("AWS4{}", key.secret.expose()));
        let day_key = hmac(secret.as_bytes(), &amz_day(unix_time));
        let region_key = hmac(&*day_key, region);
        let service_key = hmac(&*region_key, service);
        Self(hmac(&*service_key, "aws4_request"))
    }

    /// Returns the signature of a string to sign, in hexadecimal digits.
    pub fn signature(&self, string_to_sign: &str) -> String {
        hex::encode(*hmac(&*self.0, string_to_sign))
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

fn hmac(key: &[u8], text: &str) -> Zeroizing<[u8; 32]> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("HMAC accepts keys of any length") };
    mac.update(text.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Returns the canonical request: the text whose hash is signed. The service builds the same text.
pub fn canonical_request(request: &UnsignedRequest<'_>) -> String {
    let mut text = String::new();
    let _ = write_canonical_request(request, &mut text);
    text
}

fn write_canonical_request(request: &UnsignedRequest<'_>, out: &mut impl fmt::Write) -> fmt::Result {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    writeln!(out, "{}\n{}\n{}", request.method, canonical_path(path), canonical_query(query))?;
    for repeated in sorted_headers(request).chunk_by(|a, b| a.0 == b.0) {
        for (n, (name, value)) in repeated.iter().enumerate() {
            match n {
                0 => write!(out, "{name}:")?,
                _ => out.write_str(",")?,
            }
            write_single_spaced(value, out)?;
        }
        out.write_str("\n")?;
    }
    write!(out, "\n{}\n{}", signed_headers(request), request.payload_sha256)
}

/// Hashes the text written to it.
struct HashWriter(Sha256);

impl fmt::Write for HashWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// Returns the `SignedHeaders` of the authorization: the header names, sorted.
pub fn signed_headers(request: &UnsignedRequest<'_>) -> String {
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    names.join(";")
}

/// Returns the string to sign for Glacier.
pub fn string_to_sign(canonical_request: &str, region: &str, unix_time: i64) -> String {
    let hash = hex::encode(Sha256::digest(canonical_request));
    string_to_sign_for_hash(&hash, &scope(SERVICE, region, unix_time), unix_time)
}

fn string_to_sign_for_hash(hash: &str, scope: &str, unix_time: i64) -> String {
    format!("{ALGORITHM}\n{}\n{scope}\n{hash}", amz_date(unix_time))
}

fn scope(service: &str, region: &str, unix_time: i64) -> String {
    format!("{}/{region}/{service}/aws4_request", amz_day(unix_time))
}

/// Normalizes a path and encodes it. The path in the request line is already encoded, so it is encoded twice.
fn canonical_path(path: &str) -> String {
    let mut segments = Vec::new();
    let mut ends_in_slash = true;
    for segment in path.split('/') {
        ends_in_slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(percent::encode(segment.as_bytes())),
        }
    }
    let last_slash = if ends_in_slash && !segments.is_empty() { "/" } else { "" };
    format!("/{}{last_slash}", segments.join("/"))
}

/// Decodes, encodes and sorts the parameters of a query, which gives each query one canonical form.
fn canonical_query(query: &str) -> String {
    let recode = |text| percent::encode(&percent_decode_str(text).collect::<Vec<u8>>());
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (recode(name), recode(value)))
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Sorts the headers by name. Headers of the same name keep their order.
fn sorted_headers<'a>(request: &UnsignedRequest<'a>) -> Vec<(&'a str, &'a str)> {
    let mut headers = request.headers.clone();
    headers.sort_by_key(|(name, _)| *name);
    headers
}

/// Writes a header value without outer spaces and with single inner spaces.
fn write_single_spaced(value: &str, out: &mut impl fmt::Write) -> fmt::Result {
    for (n, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if n > 0 {
            out.write_str(" ")?;
        }
        out.write_str(word)?;
    }
    Ok(())
}
