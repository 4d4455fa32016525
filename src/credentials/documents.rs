//! The JSON documents that contain keys: of containers, instances, SSO and processes.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};

use super::key::{Credentials, named_key};
use crate::dates;
use crate::error::{Error, Kind, Result};
use crate::sanitize::{Redactor, quoted};
use crate::secret::Secret;

use super::provider::failure;

/// The document of a container or an instance.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct MetadataDocument {
    code: Option<String>,
    message: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<JsonSecret>,
    token: Option<JsonSecret>,
    expiration: Option<String>,
}

/// The standard output of a process.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessDocument {
    version: Option<serde_json::Number>,
    access_key_id: Option<String>,
    secret_access_key: Option<JsonSecret>,
    session_token: Option<JsonSecret>,
    expiration: Option<String>,
}

/// The document of SSO.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SsoDocument {
    role_credentials: SsoCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SsoCredentials {
    access_key_id: String,
    secret_access_key: JsonSecret,
    session_token: JsonSecret,
    /// In milliseconds since 1970-01-01 UTC.
    expiration: i64,
}

/// Reads the document of a container or an instance. `source` names it in errors.
///
/// # Errors
/// `Credentials`.
pub(super) fn metadata_credentials(source: &str, body: &[u8], redactor: &Redactor) -> Result<Credentials> {
    let document: MetadataDocument = parse(source, body)?;
    register_json(redactor, document.secret_access_key.as_ref(), document.token.as_ref());
    if let Some(code) = document.code.as_deref().filter(|code| *code != "Success") {
        let message = document.message.as_deref().unwrap_or("no message");
        return Err(failure(format!("{source} returned the code {} without keys: {}", quoted(code), quoted(message))));
    }
    let missing = |field: &str| failure(format!("the response of {source} has no {field}"));
    let id = document.access_key_id.ok_or_else(|| missing("AccessKeyId"))?;
    let secret = document.secret_access_key.ok_or_else(|| missing("SecretAccessKey"))?;
    let token = document.token.ok_or_else(|| missing("Token"))?;
    let expires = document.expiration.ok_or_else(|| missing("Expiration"))?;
    credentials(source, &id, &secret.0, Some(&token.0), Some(&expires))
}

/// Reads the standard output of a process.
///
/// # Errors
/// `Credentials`.
pub(super) fn process_credentials(source: &str, output: &[u8], redactor: &Redactor) -> Result<Credentials> {
    let document: ProcessDocument = parse(source, output)?;
    register_json(redactor, document.secret_access_key.as_ref(), document.session_token.as_ref());
    let missing = |field: &str| failure(format!("the output of {source} has no {field}"));
    match document.version {
        Some(version) if version.as_f64() == Some(1.0) => {}
        Some(version) => {
            return Err(failure(format!("the output of {source} has Version {version}: it must be the number 1")));
        }
        None => return Err(missing("Version: it must be the number 1")),
    }
    let id = document.access_key_id.ok_or_else(|| missing("AccessKeyId"))?;
    let secret = document.secret_access_key.ok_or_else(|| missing("SecretAccessKey"))?;
    let token = document.session_token.as_ref().map(|token| &token.0);
    credentials(source, &id, &secret.0, token, document.expiration.as_deref())
}

/// Returns whether a document has the fields of GetRoleCredentials.
pub(super) fn is_of_sso(body: &[u8]) -> bool {
    serde_json::from_slice::<SsoDocument>(body).is_ok()
}

/// Reads the response of GetRoleCredentials.
///
/// # Errors
/// `Credentials`.
pub(super) fn sso_credentials(source: &str, body: &[u8], redactor: &Redactor) -> Result<Credentials> {
    let SsoDocument { role_credentials: keys } = parse(source, body)?;
    register_json(redactor, Some(&keys.secret_access_key), Some(&keys.session_token));
    let key = new_key(source, &keys.access_key_id, &keys.secret_access_key.0, Some(&keys.session_token.0))?;
    Ok(Credentials { key, expires: Some(keys.expiration.div_euclid(1000)) })
}

/// Adds the secrets of a document to a redactor, before any other field is checked: an error shows that field, which may have the
/// same text.
pub(super) fn register(redactor: &Redactor, secret: Option<&Secret>, token: Option<&Secret>) {
    [secret, token].into_iter().flatten().for_each(|secret| redactor.add(secret.expose()));
}

fn register_json(redactor: &Redactor, secret: Option<&JsonSecret>, token: Option<&JsonSecret>) {
    register(redactor, secret.map(|secret| &secret.0), token.map(|token| &token.0));
}

/// Creates credentials from the texts of a document. An empty token counts as none.
///
/// # Errors
/// `Credentials` for an invalid key or date.
pub(super) fn credentials(
    source: &str,
    id: &str,
    secret: &Secret,
    token: Option<&Secret>,
    expires: Option<&str>,
) -> Result<Credentials> {
    let key = new_key(source, id, secret, token)?;
    let expires = expires.map(|text| expiry(source, text)).transpose()?;
    Ok(Credentials { key, expires })
}

fn new_key(source: &str, id: &str, secret: &Secret, token: Option<&Secret>) -> Result<crate::sign::Key> {
    let names = ["the access key ID", "the secret access key", "the session token"];
    named_key(names.map(|name| format!("{name} of {source}")), id, secret.expose(), token.map(Secret::expose))
        .map_err(|error| failure(error.message()))
}

fn expiry(source: &str, text: &str) -> Result<i64> {
    dates::parse_iso8601_with_offset(text).ok_or_else(|| {
        failure(format!(
            "{source} returned the Expiration {}: it must be a date such as 2026-01-31T13:00:00Z",
            quoted(text)
        ))
    })
}

/// Checks that a response is JSON. A response that is not was damaged, or another program sent it: the next attempt may succeed.
///
/// # Errors
/// `Protocol`.
pub(super) fn check_json(source: &str, body: &[u8]) -> Result<()> {
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => Ok(()),
        Err(_) => {
            let text = format!("the response of {source} is not JSON ({} bytes)", body.len());
            Err(Error::new(Kind::Protocol, text))
        }
    }
}

/// Parses a JSON object. The error has the position, not the text, which may be a secret.
pub(super) fn parse<'a, T: Deserialize<'a>>(source: &str, body: &'a [u8]) -> Result<T> {
    let problem = |what: &str| failure(format!("the response of {source} {what} ({} bytes)", body.len()));
    match body.trim_ascii().first() {
        None => return Err(problem("is empty")),
        Some(b'{') => {}
        Some(_) => return Err(problem("is not a JSON object")),
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = if error.is_data() { "has an unexpected or missing field" } else { "is not JSON" };
        problem(&format!("{what} in line {}, column {}", error.line(), error.column()))
    })
}

/// A secret in a JSON document.
pub(super) struct JsonSecret(pub(super) Secret);

impl<'de> Deserialize<'de> for JsonSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct SecretVisitor;
        impl Visitor<'_> for SecretVisitor {
            type Value = JsonSecret;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<JsonSecret, E> {
                Ok(JsonSecret(Secret::from(text)))
            }
        }
        deserializer.deserialize_str(SecretVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str =
        r#""AccessKeyId":"AKID","SecretAccessKey":"s\/ecret","Token":"t","Expiration":"2026-01-31T13:00:00Z""#;

    #[test]
    fn reads_metadata_documents() {
        for text in [format!("{{{KEYS}}}"), format!(r#"{{"Code":"Success","Type":"AWS-HMAC",{KEYS}}}"#)] {
            let credentials = metadata_credentials("it", text.as_bytes(), &Redactor::default()).unwrap();
            assert_eq!((credentials.key.access_key_id(), credentials.expires), ("AKID", Some(1_769_864_400)));
            assert!(credentials.key.is_same(&crate::sign::Key::new("AKID", "s/ecret", Some("t".to_owned()))));
        }
    }

    #[test]
    fn rejects_incomplete_documents_without_showing_secrets() {
        for (text, expected) in [
            ("", "is empty"),
            ("please log in", "is not a JSON object"),
            ("[]", "is not a JSON object"),
            ("{\"AccessKeyId\"", "is not JSON in line 1"),
            (r#"{"AccessKeyId":"AKID","SecretAccessKey":"hush-hush"}"#, "has no Token"),
            (r#"{"AccessKeyId":"AKID","SecretAccessKey":"hush-hush","Token":7}"#, "unexpected or missing field"),
            (
                r#"{"AccessKeyId":"AKID","SecretAccessKey":"hush-hush\n","Token":"t","Expiration":"x"}"#,
                "line feed at its end",
            ),
            (r#"{"AccessKeyId":"AKID","SecretAccessKey":"hush","Token":"t","Expiration":"tomorrow"}"#, "\"tomorrow\""),
            (r#"{"Code":"Failed","Message":"no role"}"#, "the code \"Failed\" without keys: \"no role\""),
        ] {
            let error = metadata_credentials("it", text.as_bytes(), &Redactor::default()).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
            assert!(!error.message().contains("hush"), "{error}");
        }
    }

    #[test]
    fn process_output_needs_version_1() {
        let keys = r#""AccessKeyId":"AKID","SecretAccessKey":"s","SessionToken":null,"Expiration":null"#;
        let ours =
            |version: &str| process_credentials("it", format!("{{{version}{keys}}}").as_bytes(), &Redactor::default());
        for version in ["1", "1.0", "1e0"] {
            assert_eq!(ours(&format!("\"Version\":{version},")).unwrap().expires, None, "{version}");
        }
        for version in ["", "\"Version\":2,", "\"Version\":\"1\",", "\"Version\":1.5,", "\"Version\":null,"] {
            let error = ours(version).unwrap_err();
            assert!(error.message().contains("Version") || error.message().contains("field"), "{error}");
        }
    }

    #[test]
    fn reads_sso_documents() {
        let text = r#"{"roleCredentials":{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t","expiration":1769864400999}}"#;
        assert_eq!(sso_credentials("it", text.as_bytes(), &Redactor::default()).unwrap().expires, Some(1_769_864_400));
    }
}
