//! Which operation a request asks for, and on what.

use serde::{Deserialize, Serialize};

use crate::http::{Head, percent_decode};

/// An operation of the service, by the service's own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Starts an upload.
    InitiateMultipartUpload,
    /// Sends one part of an upload.
    UploadMultipartPart,
    /// Makes an archive of an upload's parts.
    CompleteMultipartUpload,
    /// Drops an upload.
    AbortMultipartUpload,
    /// Lists the parts of an upload.
    ListParts,
    /// Lists the uploads of a vault.
    ListMultipartUploads,
    /// Sends an archive in one request.
    UploadArchive,
    /// Makes a vault.
    CreateVault,
}

impl Operation {
    /// Whether the request carries bytes of an archive.
    pub(crate) fn takes_body(self) -> bool {
        matches!(self, Self::UploadMultipartPart | Self::UploadArchive)
    }
}

/// The address of a request, taken apart.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) operation: Operation,
    pub(crate) account: String,
    pub(crate) vault: String,
    /// Empty where the operation has none.
    pub(crate) upload_id: String,
}

impl Target {
    /// `None` for what is no operation here.
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

/// The bytes that a part's `Content-Range` names, both ends included. `None` unless it is `bytes first-last/*`.
pub(crate) fn content_range(value: &str) -> Option<(u64, u64)> {
    let (first, last) = value.strip_prefix("bytes ")?.strip_suffix("/*")?.split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse::<u64>().ok() } else { None }
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && last < u64::MAX).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(content_range("bytes 0-0/*"), Some((0, 0)));
        assert_eq!(content_range("bytes 4194304-8388607/*"), Some((4_194_304, 8_388_607)));
        for bad in
            ["", "0-1/*", "bytes 0-1", "bytes 1-0/*", "bytes 0-1/2", "bytes +0-1/*", "bytes 0-/*", "bytes -0-1/*"]
        {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
