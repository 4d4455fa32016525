//! Verifies the signature of a request and its time.
//!
//! The published crate `aws-sigv4` computes the expected signature, over the headers that the request lists as signed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

use crate::clock::Instant;
use crate::head::Head;
use crate::refusal::{Refusal, SIGNATURE_SECONDS};
use crate::stop::lock;
use crate::unspecified::MAY_BE_UNSIGNED;

/// The access key of the service and its valid session tokens.
pub(crate) struct Verifier {
    region: String,
    access_key: String,
    secret_key: String,
    /// If it is empty, requests carry no token.
    tokens: Mutex<Vec<Token>>,
}

/// A session token and its expiration time.
struct Token {
    text: String,
    until: Option<Instant>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("region", &self.region)
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// The verified values of a signed request.
#[derive(Debug)]
pub(crate) struct Signed {
    /// The hash of the payload, in hex.
    pub(crate) payload_hash: String,
    at: Instant,
}

impl Signed {
    /// Checks that the time of the signature differs from `now` by at most five minutes.
    pub(crate) fn check_clock(&self, now: Instant) -> Result<(), Refusal> {
        let ahead = self.at.unix_seconds() - now.unix_seconds();
        if ahead < -SIGNATURE_SECONDS {
            return Err(Refusal::signature_expired(self.at, now));
        }
        if ahead > SIGNATURE_SECONDS {
            return Err(Refusal::signature_not_yet_current(self.at, now));
        }
        Ok(())
    }
}

impl Verifier {
    pub(crate) fn new(region: &str, access_key: &str, secret_key: &str) -> Self {
        Self {
            region: region.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            tokens: Mutex::default(),
        }
    }

    /// Adds a valid session token. `until` is its expiration time, if any.
    pub(crate) fn add_token(&self, session_token: &str, until: Option<Instant>) {
        let mut tokens = lock(&self.tokens);
        tokens.retain(|token| token.text != session_token);
        tokens.push(Token { text: session_token.to_owned(), until });
    }

    /// Expires all valid session tokens, independent of the clock, and makes this one valid.
    pub(crate) fn replace_tokens(&self, session_token: &str) {
        lock(&self.tokens).iter_mut().for_each(|token| token.until = Some(Instant::LONG_AGO));
        self.add_token(session_token, None);
    }

    /// Verifies the signature. The payload hash is the value of `x-amz-content-sha256`, which the caller compares with the
    /// body. Without this header it is `body_hash`.
    pub(crate) fn verify(&self, head: &Head, body_hash: &str, now: Instant) -> Result<Signed, Refusal> {
        let authorization = head.header("authorization").ok_or_else(Refusal::not_authenticated)?;
        let authorization = Authorization::parse(authorization)?;
        let (at, date_header) = signing_time(head)?;
        self.check_scope(&authorization, at)?;
        self.check_token(head.header("x-amz-security-token"), now)?;
        check_signed_headers(head, &authorization, date_header)?;

        let payload_hash = head.header("x-amz-content-sha256").unwrap_or(body_hash).to_owned();
        let signed = Signed { payload_hash, at };
        signed.check_clock(now)?;
        let expected = self.signature(head, &authorization, &signed, date_header);
        if expected.as_deref() != Some(authorization.signature) {
            return Err(Refusal::signature(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            ));
        }
        Ok(signed)
    }

    fn check_scope(&self, authorization: &Authorization<'_>, at: Instant) -> Result<(), Refusal> {
        let [access_key, date, region, service, terminator] = authorization.credential[..] else {
            return Err(Refusal::signature("Credential must have exactly 5 slash-delimited elements"));
        };
        if access_key != self.access_key {
            return Err(Refusal::unknown_client());
        }
        let wrong = if terminator != "aws4_request" {
            format!("Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'.")
        } else if service != "glacier" {
            format!("Credential should be scoped to correct service: 'glacier', not '{service}'.")
        } else if region != self.region {
            format!("Credential should be scoped to a valid region, not '{region}'.")
        } else if date != &at.basic()[..8] {
            let signed = at.basic();
            format!("Date in Credential scope does not match YYYYMMDD of the request's date: '{date}' != '{signed}'.")
        } else {
            return Ok(());
        };
        Err(Refusal::signature(wrong))
    }

    fn check_token(&self, given: Option<&str>, now: Instant) -> Result<(), Refusal> {
        let tokens = lock(&self.tokens);
        let Some(given) = given else {
            return if tokens.is_empty() { Ok(()) } else { Err(Refusal::unknown_client()) };
        };
        let token = tokens.iter().find(|token| token.text == given).ok_or_else(Refusal::unknown_client)?;
        if token.until.is_none_or(|until| now < until) { Ok(()) } else { Err(Refusal::expired_token()) }
    }

    /// Computes the correct signature. Returns `None` for a request that cannot be signed, such as one with non-ASCII headers.
    fn signature(&self, head: &Head, authorization: &Authorization<'_>, signed: &Signed, date: &str) -> Option<String> {
        let named = || head.headers.iter().filter(|(name, _)| authorization.signs(name));
        if !named().all(|(_, value)| value.is_ascii()) {
            return None;
        }
        let headers = named().map(|(name, value)| (name.as_str(), value.as_str()));
        let payload = SignableBody::Precomputed(signed.payload_hash.clone());
        let request = SignableRequest::new(&head.method, head.target.as_str(), headers, payload).ok()?;

        let mut settings = SigningSettings::default();
        // The crate adds x-amz-date. A client that signs Date has not sent it.
        let excluded = if date == "date" { vec![Cow::Borrowed("x-amz-date")] } else { Vec::new() };
        settings.excluded_headers = Some(excluded);
        let identity = Credentials::new(&self.access_key, &self.secret_key, None, None, "emulator").into();
        let seconds = u64::try_from(signed.at.unix_seconds()).ok()?;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("glacier")
            .time(UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(settings)
            .build()
            .ok()?
            .into();
        Some(sign(request, &parameters).ok()?.into_parts().1)
    }
}

/// The parsed `Authorization` header.
struct Authorization<'a> {
    credential: Vec<&'a str>,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(value: &'a str) -> Result<Self, Refusal> {
        let fields = value
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .ok_or_else(|| Refusal::signature("Authorization must use the algorithm AWS4-HMAC-SHA256"))?;
        let field = |name: &str| {
            fields
                .split(',')
                .filter_map(|field| field.trim().split_once('='))
                .find_map(|(have, value)| (have == name).then_some(value))
                .ok_or_else(|| Refusal::signature(format!("Authorization header requires '{name}' parameter.")))
        };
        Ok(Self {
            credential: field("Credential")?.split('/').collect(),
            signed_headers: field("SignedHeaders")?.split(';').collect(),
            signature: field("Signature")?,
        })
    }

    fn signs(&self, header: &str) -> bool {
        self.signed_headers.contains(&header)
    }
}

/// Returns the signing time and its header: `x-amz-date`, or else a `Date` in the same format.
fn signing_time(head: &Head) -> Result<(Instant, &'static str), Refusal> {
    ["x-amz-date", "date"]
        .into_iter()
        .find_map(|name| Some((head.header(name)?, name)))
        .and_then(|(value, name)| Some((Instant::parse_basic(value)?, name)))
        .ok_or_else(|| Refusal::signature("AWS authentication requires a valid Date or x-amz-date header"))
}

fn check_signed_headers(head: &Head, authorization: &Authorization<'_>, date: &str) -> Result<(), Refusal> {
    let must_be_signed =
        |name: &str| name == "host" || name == date || (name.starts_with("x-amz-") && !MAY_BE_UNSIGNED.contains(&name));
    let unsigned = head.headers.iter().map(|(name, _)| name.as_str()).chain(["host"]);
    match unsigned.filter(|name| must_be_signed(name)).find(|name| !authorization.signs(name)) {
        None if head.header("host").is_some() => Ok(()),
        None => Err(Refusal::signature("'Host' must be in the request and in its SignedHeaders.")),
        Some(name) => Err(Refusal::signature(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::EMPTY;

    /// The known answers, each with the request that carries it.
    fn vectors() -> Vec<(String, Verifier, Instant, Head)> {
        let list: serde_json::Value = serde_json::from_str(include_str!("../tests/data/signing_glacier.json")).unwrap();
        let request = |vector: &serde_json::Value| {
            let text = |name: &str| vector[name].as_str().unwrap().to_owned();
            let token = vector["session_token"].as_str();
            let verifier = Verifier::new(&text("region"), &text("access_key_id"), &text("secret_access_key"));
            token.iter().for_each(|token| verifier.add_token(token, None));
            let mut bytes = format!("{} {} HTTP/1.1\r\n", text("method"), text("wire_target"));
            for header in vector["headers_signed"].as_array().unwrap() {
                bytes.push_str(&format!("{}: {}\r\n", header[0].as_str().unwrap(), header[1].as_str().unwrap()));
            }
            bytes.push_str(&format!("Authorization: {}\r\n\r\n", text("authorization")));
            let head = Head::parse(bytes.as_bytes()).unwrap().unwrap().0;
            (text("name"), verifier, Instant::parse_basic(&text("x_amz_date")).unwrap(), head)
        };
        list.as_array().unwrap().iter().map(request).collect()
    }

    #[test]
    fn accepts_known_signatures() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 41);
        for (name, verifier, at, head) in vectors {
            verifier.verify(&head, EMPTY, at).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        }
    }

    #[test]
    fn rejects_any_changed_input() {
        for (name, verifier, at, head) in vectors() {
            for changed in 0..head.headers.len() {
                let mut other = head.clone();
                other.headers[changed].1.push('0');
                assert!(verifier.verify(&other, EMPTY, at).is_err(), "{name}: {:?}", other.headers[changed]);
            }
            let mut other = head.clone();
            other.target.push('0');
            assert!(verifier.verify(&other, EMPTY, at).is_err(), "{name}: target");
            let mut other = head;
            other.method = "PATCH".to_owned();
            assert!(verifier.verify(&other, EMPTY, at).is_err(), "{name}: method");
        }
    }

    #[test]
    fn accepts_five_minutes_of_clock_skew() {
        let (_, verifier, at, head) = vectors().swap_remove(0);
        for seconds in [-301, 301] {
            assert!(verifier.verify(&head, EMPTY, at.plus_seconds(seconds)).is_err(), "{seconds}");
        }
        for seconds in [-300, 0, 300] {
            assert!(verifier.verify(&head, EMPTY, at.plus_seconds(seconds)).is_ok(), "{seconds}");
        }
    }
}
