//! The admin paths `/.admin/…` for tests in other languages. Requests to them need no signature.
//!
//! | request | does |
//! |---|---|
//! | `POST /.admin/faults` | adds the [`Fault`] in the body |
//! | `DELETE /.admin/faults` | removes all scripted faults |
//! | `POST /.admin/random` | restarts random faults with the [`RandomFaults`] in the body |
//! | `DELETE /.admin/random` | disables random faults |
//! | `GET /.admin/archives` | lists the archives |
//! | `GET /.admin/archives/{id}/data` | returns the bytes of an archive, if they are stored |
//! | `GET /.admin/uploads` | lists the uploads that are neither completed nor aborted, with their parts |
//! | `GET /.admin/requests?from=N` | lists the requests from number N on; without `from`, all requests |
//! | `POST /.admin/clock` | `{"offset": seconds}` sets the clock |
//! | `POST /.admin/token` | `{"session_token": "…"}` expires the valid tokens and makes this one valid |
//! | `POST /.admin/tokens` | `{"session_token": "…", "seconds": 60}` adds a valid token; `seconds` is optional |
//! | `POST /.admin/rate` | `{"per_second": 10}` limits the rate of requests; `null` removes the limit |

use std::fs::File;
use std::io;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::body::Body;
use crate::head::{Head, percent_decode};
use crate::number;
use crate::options::check_session_token;
use crate::random_faults::RandomFaults;
use crate::refusal::Refusal;
use crate::response::{Content, Response};
use crate::scripted_faults::Fault;
use crate::service::Service;

/// The prefix of every admin path.
const PREFIX: &str = "/.admin/";

/// The maximum length of a document.
const DOCUMENT_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockSetting {
    offset: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenSetting {
    session_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FurtherToken {
    session_token: String,
    #[serde(default)]
    seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateSetting {
    per_second: Option<u64>,
}

/// Whether the target of a request is an admin path.
pub(crate) fn is_admin(head: &Head) -> bool {
    head.target.starts_with(PREFIX)
}

/// Performs an admin request.
pub(crate) fn perform(service: &Service, head: &Head, body: &mut Body<'_>) -> io::Result<Response> {
    let mut document = Vec::new();
    while let Some(piece) = body.next()? {
        if document.len() < DOCUMENT_MAX {
            document.extend_from_slice(piece);
        }
    }
    let response = response(service, head, &document);
    Ok(response.unwrap_or_else(|why| Refusal::bad_request(why).into()))
}

fn response(service: &Service, head: &Head, document: &[u8]) -> Result<Response, String> {
    let path = head.path().strip_prefix(PREFIX).unwrap_or_default();
    match (head.method.as_str(), path) {
        ("POST", "faults") => service.add_fault(parse::<Fault>(document)?),
        ("DELETE", "faults") => service.scripted_faults.clear(),
        ("POST", "random") => service.random_faults.set(Some(parse::<RandomFaults>(document)?)),
        ("DELETE", "random") => service.random_faults.set(None),
        ("POST", "clock") => service.set_clock_offset(parse::<ClockSetting>(document)?.offset),
        ("POST", "token") => {
            let TokenSetting { session_token } = parse(document)?;
            check_session_token(&session_token)?;
            service.verifier.replace_tokens(&session_token);
        }
        ("POST", "tokens") => {
            let FurtherToken { session_token, seconds } = parse(document)?;
            check_session_token(&session_token)?;
            service.add_session_token(&session_token, seconds);
        }
        ("POST", "rate") => service.limit_requests(parse::<RateSetting>(document)?.per_second),
        ("GET", "archives") => return Ok(Response::json(200, &service.store.archives())),
        ("GET", "uploads") => return Ok(Response::json(200, &service.store.upload_records())),
        ("GET", "requests") => return requests(service, head),
        ("GET", path) => return archive_data(service, path),
        (method, path) => return Err(format!("No such request: {method} {path}")),
    }
    Ok(Response::empty(204))
}

fn requests(service: &Service, head: &Head) -> Result<Response, String> {
    let from = head.query("from").unwrap_or_else(|| "0".to_owned());
    let from = number::setting("from", &from, 0..=usize::MAX)?;
    Ok(Response::json(200, &service.log.from(from)))
}

fn archive_data(service: &Service, path: &str) -> Result<Response, String> {
    let id = path.strip_prefix("archives/").and_then(|rest| rest.strip_suffix("/data")).map(percent_decode);
    let id = id.ok_or_else(|| format!("No such request: GET {path}"))?;
    let archive = service.store.archives().into_iter().find(|archive| archive.archive_id == id);
    let archive = archive.ok_or_else(|| format!("No such archive: {id}"))?;
    let path = archive.path.ok_or("The bytes of archives are not kept")?;
    let file = File::open(path).map_err(|e| e.to_string())?;
    Ok(Response { content: Content::File(file, archive.size), ..Response::empty(200) })
}

fn parse<T: DeserializeOwned>(document: &[u8]) -> Result<T, String> {
    serde_json::from_slice(document).map_err(|e| e.to_string())
}
