//! The address for tests in other languages, beside the service's own: `/.admin/…`, without signatures.
//!
//! | request | does |
//! |---|---|
//! | `POST /.admin/faults` | adds the [`Fault`] in the body |
//! | `DELETE /.admin/faults` | drops all faults |
//! | `POST /.admin/random` | lets requests meet the [`RandomFaults`] in the body, drawn from the start |
//! | `DELETE /.admin/random` | ends that |
//! | `GET /.admin/archives` | lists the archives |
//! | `GET /.admin/archives/{id}/data` | the bytes of an archive, if they are kept |
//! | `GET /.admin/uploads` | lists the uploads that are not over, with their parts |
//! | `GET /.admin/requests?from=N` | lists the requests so far, from number N on; all without it |
//! | `POST /.admin/clock` | `{"offset": seconds}` moves the clock |
//! | `POST /.admin/token` | `{"session_token": "…"}` lets the valid tokens expire and makes this one valid |
//! | `POST /.admin/tokens` | `{"session_token": "…", "seconds": 60}` makes this one valid too; `seconds` may be left out |
//! | `POST /.admin/rate` | `{"per_second": 10}` limits the rate of requests; `null` does not |

use std::fs::File;
use std::io;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::faults::Fault;
use crate::http::{Body, Content, Head, Response, percent_decode};
use crate::number;
use crate::random::RandomFaults;
use crate::refusal::Refusal;
use crate::service::Service;

/// What stands before every such path.
const PREFIX: &str = "/.admin/";

/// The longest document taken.
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

/// Whether a request is for this address.
pub(crate) fn is_admin(head: &Head) -> bool {
    head.target.starts_with(PREFIX)
}

/// Answers it.
pub(crate) fn perform(service: &Service, head: &Head, body: &mut Body<'_>) -> io::Result<Response> {
    let mut document = Vec::new();
    while let Some(piece) = body.next()? {
        if document.len() < DOCUMENT_MAX {
            document.extend_from_slice(piece);
        }
    }
    let answer = answer(service, head, &document);
    Ok(answer.unwrap_or_else(|why| Refusal::bad_request(why).into()))
}

fn answer(service: &Service, head: &Head, document: &[u8]) -> Result<Response, String> {
    let path = head.path().strip_prefix(PREFIX).unwrap_or_default();
    match (head.method.as_str(), path) {
        ("POST", "faults") => service.add_fault(parse::<Fault>(document)?),
        ("DELETE", "faults") => service.faults.clear(),
        ("POST", "random") => service.random.set(Some(parse::<RandomFaults>(document)?)),
        ("DELETE", "random") => service.random.set(None),
        ("POST", "clock") => service.set_clock_offset(parse::<ClockSetting>(document)?.offset),
        ("POST", "token") => service.verifier.replace_tokens(&parse::<TokenSetting>(document)?.session_token),
        ("POST", "tokens") => {
            let FurtherToken { session_token, seconds } = parse(document)?;
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
    let from = number::unsigned(&from).ok_or_else(|| format!("from takes digits only, not {from}"))?;
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
