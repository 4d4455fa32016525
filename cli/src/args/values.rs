//! Parsers of values that the library would reject later.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser};
use glacier_mp::error::Error;
use glacier_mp::limits::{check_archive_size, check_description, check_upload_id, check_vault_name};

use crate::hyphens::{parse_text, unmarked};
use crate::size::parse_size;
use crate::terms::message_of;

/// Parses the name of a vault.
pub(super) fn parse_vault(text: &str) -> Result<String, String> {
    parse_checked(text, check_vault_name)
}

/// Parses the ID of an upload.
pub(super) fn parse_upload_id(text: &str) -> Result<String, String> {
    parse_checked(text, check_upload_id)
}

/// Parses the description of an archive.
pub(super) fn parse_description(text: &str) -> Result<String, String> {
    parse_checked(text, check_description)
}

/// Parses the size of an archive, in bytes.
pub(super) fn parse_archive_size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    check_archive_size(bytes).map(|()| bytes).map_err(rule)
}

/// Returns a parser of paths. A path can look like an ID.
pub(super) fn path() -> ValueParser {
    let parse =
        |path: OsString| if path.is_empty() { Err("the path is empty") } else { Ok(PathBuf::from(unmarked(path))) };
    OsStringValueParser::new().try_map(parse).into()
}

fn parse_checked(text: &str, check: fn(&str) -> Result<(), Error>) -> Result<String, String> {
    let text = parse_text(text)?;
    check(&text).map(|()| text).map_err(rule)
}

fn rule(error: Error) -> String {
    message_of(&error)
}
