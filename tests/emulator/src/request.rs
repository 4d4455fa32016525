//! The operation and the resources that a request names.

use serde::{Deserialize, Serialize};

use crate::head::{Head, percent_decode};
use crate::number;

/// An operation of the service, by the service's own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Initiates a multipart upload.
    InitiateMultipartUpload,
    /// Uploads one part.
    UploadMultipartPart,
    /// Creates an archive from the parts of an upload.
    CompleteMultipartUpload,
    /// Aborts an upload.
    AbortMultipartUpload,
    /// Lists the parts of an upload.
    ListParts,
    /// Lists the uploads of a vault.
    ListMultipartUploads,
    /// Uploads an archive in one request.
    UploadArchive,
    /// Creates a vault.
    CreateVault,
    /// Describes a vault.
    DescribeVault,
    /// Lists the vaults of the account.
    ListVaults,
}

impl Operation {
    /// Whether the body of the request has bytes of an archive.
    pub(crate) fn takes_body(self) -> bool {
        matches!(self, Self::UploadMultipartPart | Self::UploadArchive)
    }

    /// Whether the body may be an empty JSON document.
    pub(crate) fn takes_empty_document(self) -> bool {
        matches!(self, Self::CreateVault | Self::InitiateMultipartUpload | Self::CompleteMultipartUpload)
    }
}

/// The parsed target of a request.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) operation: Operation,
    pub(crate) account: String,
    /// Empty if the operation has none.
    pub(crate) vault: String,
    /// Empty if the operation has none.
    pub(crate) upload_id: String,
}

impl Target {
    /// Parses the target. Returns `None` if it names no operation.
    pub(crate) fn of(head: &Head) -> Option<Self> {
        let segments: Vec<_> = head.path().strip_prefix('/')?.split('/').map(percent_decode).collect();
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        let (account, rest) = segments.split_first()?;
        let (vault, upload_id, operation) = match (head.method.as_str(), rest) {
            ("POST", ["vaults", vault, "multipart-uploads"]) => (vault, "", Operation::InitiateMultipartUpload),
            ("GET", ["vaults", vault, "multipart-uploads"]) => (vault, "", Operation::ListMultipartUploads),
            ("PUT", ["vaults", vault, "multipart-uploads", id]) => (vault, *id, Operation::UploadMultipartPart),
            ("POST", ["vaults", vault, "multipart-uploads", id]) => (vault, *id, Operation::CompleteMultipartUpload),
            ("DELETE", ["vaults", vault, "multipart-uploads", id]) => (vault, *id, Operation::AbortMultipartUpload),
            ("GET", ["vaults", vault, "multipart-uploads", id]) => (vault, *id, Operation::ListParts),
            ("POST", ["vaults", vault, "archives"]) => (vault, "", Operation::UploadArchive),
            ("PUT", ["vaults", vault]) => (vault, "", Operation::CreateVault),
            ("GET", ["vaults", vault]) => (vault, "", Operation::DescribeVault),
            ("GET", ["vaults"]) => (&"", "", Operation::ListVaults),
            _ => return None,
        };
        Some(Self {
            operation,
            account: (*account).to_owned(),
            vault: (*vault).to_owned(),
            upload_id: upload_id.to_owned(),
        })
    }
}

/// Returns the first and last byte of a part's `Content-Range`. The format is `bytes first-last/total`. The total is `*`
/// or a number greater than `last`. Returns `None` for all other values.
pub(crate) fn content_range(value: &str) -> Option<(u64, u64)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number::unsigned(first)?, number::unsigned(last)?);
    let end = if total == "*" { u64::MAX } else { number::unsigned(total)? };
    (first <= last && last < end).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_content_range() {
        assert_eq!(content_range("bytes 0-0/*"), Some((0, 0)));
        assert_eq!(content_range("bytes 4194304-8388607/*"), Some((4_194_304, 8_388_607)));
        assert_eq!(content_range("bytes 0-4/5"), Some((0, 4)));
        assert_eq!(content_range("bytes 0-4/99"), Some((0, 4)));
        for bad in [
            "",
            "0-1/*",
            "bytes 0-1",
            "bytes 1-0/*",
            "bytes +0-1/*",
            "bytes 0-+1/*",
            "bytes 0-/*",
            "bytes -0-1/*",
            "bytes 0-4/4",
            "bytes 0-4/0",
            "bytes 0-4/",
            "bytes 0-4/+5",
            "bytes 0-4/**",
            "bytes 0-4/5/5",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
