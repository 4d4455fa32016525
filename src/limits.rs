//! The limits of the service, and the checks of names and texts before they are sent. Each rule is here and only here.

use std::path::Path;

use crate::error::{Error, Result};
pub(crate) use crate::sanitize::{non_graphic, quoted};

/// One mebibyte: the leaf of a tree hash and the unit of part sizes.
pub const MIB: u64 = 1 << 20;
/// The smallest part size, in bytes (Glacier developer guide, "Uploading Large Archives in Parts").
pub const PART_SIZE_MIN: u64 = MIB;
/// The largest part size, in bytes.
pub const PART_SIZE_MAX: u64 = 4096 * MIB;
/// The maximum number of parts of one upload.
pub const PARTS_MAX: u32 = 10_000;
/// The largest archive of a multipart upload, in bytes: 10,000 parts of 4 GiB.
pub const ARCHIVE_SIZE_MAX: u64 = PARTS_MAX as u64 * PART_SIZE_MAX;
/// The maximum length of an archive description, in bytes.
pub const DESCRIPTION_MAX: usize = 1024;
/// The maximum length of a vault name, in bytes.
pub const VAULT_NAME_MAX: usize = 255;
/// The maximum number of entries in one page of a list.
pub const LIST_PAGE_MAX: u32 = 50;
/// The maximum length of an upload ID, in bytes. IDs of the service have about 90. An ID is part of the path of each request.
pub const UPLOAD_ID_MAX: usize = 1024;
/// The maximum length of a list marker, in bytes. A marker is part of the query of the next request.
pub const MARKER_MAX: usize = 4096;
/// The maximum number of pages of one list. It bounds a list whose markers never end.
pub const LIST_PAGES_MAX: u32 = 10_000;
/// The maximum number of uploads listed in a vault.
pub const LISTED_UPLOADS_MAX: usize = 50_000;
/// The maximum number of workers of one upload.
pub const WORKERS_MAX: u32 = 32;

/// Checks that the path of a file is not empty. `what` is the file.
///
/// # Errors
/// `Invalid` names the file and the rule.
pub fn check_path(what: &str, path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid(format!("the path of {what} is empty")));
    }
    Ok(())
}

/// Checks a part size: a power of two of MiB, from 1 MiB to 4 GiB.
///
/// # Errors
/// `Invalid` names the value and the rule.
pub fn check_part_size(bytes: u64) -> Result<()> {
    if bytes.is_power_of_two() && (PART_SIZE_MIN..=PART_SIZE_MAX).contains(&bytes) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "part size {bytes} is not allowed: it must be a power of two from {PART_SIZE_MIN} (1 MiB) to {PART_SIZE_MAX} (4 GiB) bytes"
    )))
}

/// Checks the size of an archive: 1 byte to 10,000 parts of 4 GiB.
///
/// # Errors
/// `Invalid` names the value and the rule.
pub fn check_archive_size(bytes: u64) -> Result<()> {
    if bytes == 0 {
        return Err(Error::invalid("an archive of 0 bytes is not allowed: it must have at least 1 byte"));
    }
    if bytes > ARCHIVE_SIZE_MAX {
        return Err(Error::invalid(format!(
            "an archive of {bytes} bytes is not allowed: an archive has at most {ARCHIVE_SIZE_MAX} bytes ({PARTS_MAX} parts of \
             4 GiB)"
        )));
    }
    Ok(())
}

/// Checks the index of a part, counted from 0, and its length in bytes.
///
/// # Errors
/// `Invalid` names the value and the rule.
pub fn check_part(index: u32, length: u64, part_size: u64) -> Result<()> {
    if index >= PARTS_MAX {
        return Err(Error::invalid(format!(
            "part index {index} is not allowed: an upload has at most {PARTS_MAX} parts, with the indexes 0 to {}",
            PARTS_MAX - 1
        )));
    }
    if length == 0 || length > part_size {
        return Err(Error::invalid(format!(
            "part {index} has {length} bytes: it must have the part size, {part_size} bytes; only the last part may be shorter, from \
             1 byte"
        )));
    }
    Ok(())
}

/// Checks a vault name: 1 to 255 of `A-Z a-z 0-9 _ - .`, but not `.` or `..`, which URL normalization removes.
///
/// # Errors
/// `Invalid` names the value and the rule.
pub fn check_vault_name(name: &str) -> Result<()> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if (1..=VAULT_NAME_MAX).contains(&name.len()) && name.bytes().all(is_allowed) && name != "." && name != ".." {
        return Ok(());
    }
    let error = Error::invalid(format!(
        "vault name {} is not allowed: it must be 1 to {VAULT_NAME_MAX} of the characters A-Z a-z 0-9 _ - . and neither \".\" nor \"..\"",
        quoted(name)
    ));
    Err(match non_graphic(name) {
        Some(found) => error.with_hint(format_args!("it has {found}")),
        None => error,
    })
}

/// Checks an account ID: 12 digits without hyphens, or `-` for the owner of the credentials.
///
/// # Errors
/// `Invalid` names the value and the rule.
pub fn check_account_id(id: &str) -> Result<()> {
    if id == "-" || (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "account ID {} is not allowed: it must be 12 digits without hyphens, or \"-\" for the account of the credentials",
        quoted(id)
    )))
}

/// Checks an archive description: at most 1,024 bytes, each from 0x20 to 0x7E, no space at either end. The service removes
/// leading spaces, and HTTP removes trailing ones.
///
/// # Errors
/// `Invalid` names the offending byte and the rule.
pub fn check_description(text: &str) -> Result<()> {
    if text.len() > DESCRIPTION_MAX {
        return Err(Error::invalid(format!(
            "the archive description has {} bytes: at most {DESCRIPTION_MAX} are allowed",
            text.len()
        )));
    }
    match text.bytes().enumerate().find(|(_, b)| !(0x20..=0x7e).contains(b)) {
        None if text.trim_matches(' ') != text => Err(Error::invalid(
            "the archive description begins or ends with a space, which the service would drop: remove it".to_owned(),
        )),
        None => Ok(()),
        Some((at, byte)) => Err(Error::invalid(format!(
            "the archive description has byte 0x{byte:02X} at offset {at}: only the printable ASCII characters 0x20 to 0x7E are allowed"
        ))),
    }
}

/// Checks an upload ID, which is otherwise opaque: 1 to [`UPLOAD_ID_MAX`] bytes, no control characters, not `.` or `..`.
///
/// # Errors
/// `Invalid` names the value and the rule.
pub fn check_upload_id(id: &str) -> Result<()> {
    let is_valid_length = (1..=UPLOAD_ID_MAX).contains(&id.len());
    if is_valid_length && !id.chars().any(char::is_control) && id != "." && id != ".." {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "upload ID {} is not allowed: it must have 1 to {UPLOAD_ID_MAX} bytes, no control characters, and not be \".\" or \"..\"",
        quoted(id)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn assert_rejected(result: Result<()>, word: &str) {
        let error = result.expect_err("must be rejected");
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.message().contains(word), "{word:?} is not in {:?}", error.message());
    }

    #[test]
    fn checks_part_sizes() {
        for n in 0..=12 {
            check_part_size(MIB << n).unwrap();
        }
        for bytes in [0, 1, MIB - 1, MIB + 1, 3 * MIB, 10 * MIB, 8192 * MIB, u64::MAX] {
            assert_rejected(check_part_size(bytes), &bytes.to_string());
        }
    }

    #[test]
    fn checks_part_index_and_length() {
        for (index, length) in [(0, 1), (0, MIB), (9_999, MIB - 1)] {
            check_part(index, length, MIB).unwrap();
        }
        assert_rejected(check_part(10_000, MIB, MIB), "part index 10000");
        assert_rejected(check_part(7, 0, MIB), "part 7 has 0 bytes");
        assert_rejected(check_part(7, MIB + 1, MIB), "1048577");
    }

    #[test]
    fn checks_vault_names() {
        for name in ["a", "examplevault", "A-Z_0.9", "...", &"v".repeat(255)] {
            check_vault_name(name).unwrap();
        }
        for name in ["", ".", "..", "a/b", "a b", "väult", "v?", &"v".repeat(256)] {
            assert_rejected(check_vault_name(name), "vault name");
        }
    }

    #[test]
    fn checks_account_ids() {
        check_account_id("-").unwrap();
        check_account_id("111122223333").unwrap();
        for id in ["", "1111-2222-3333", "11112222333", "1111222233334", "11112222333x", "--"] {
            assert_rejected(check_account_id(id), "account ID");
        }
    }

    #[test]
    fn checks_descriptions() {
        check_description("").unwrap();
        check_description("two  spaces ~").unwrap();
        for text in [" leading", "trailing ", " "] {
            assert_rejected(check_description(text), "begins or ends with a space");
        }
        check_description(&"d".repeat(1024)).unwrap();
        assert_rejected(check_description(&"d".repeat(1025)), "1025");
        assert_rejected(check_description("tab\there"), "0x09 at offset 3");
        assert_rejected(check_description("Käse"), "0xC3 at offset 1");
        assert_rejected(check_description("del\u{7f}"), "0x7F");
    }

    #[test]
    fn checks_upload_ids() {
        check_upload_id("-Gj3WZerNPY").unwrap();
        check_upload_id("with space/and?slash").unwrap();
        check_upload_id(&"i".repeat(UPLOAD_ID_MAX)).unwrap();
        for id in ["", ".", "..", "a\nb", "a\u{0}", &"i".repeat(UPLOAD_ID_MAX + 1), &"i".repeat(70_000)] {
            assert_rejected(check_upload_id(id), "upload ID");
        }
    }

    #[test]
    fn truncates_long_values_in_messages() {
        let message = check_vault_name(&"v".repeat(100_000)).unwrap_err().message().to_owned();
        assert!(message.len() < 400, "{} bytes", message.len());
    }
}
