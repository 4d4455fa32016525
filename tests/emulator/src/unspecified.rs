//! Behavior of the live service that is not known, and the choices that the emulator makes.
//!
//! Nobody without a vault can test these on the live service. A correct client must not depend on any of them. They are
//! all in this table, so that a reader can distinguish facts of the service from choices of the emulator.

/// The open questions and the emulator's choices. *Invalid* means 400 `InvalidParameterValueException`.
pub const UNSPECIFIED: &[(&str, &str)] = &[
    ("order of the checks", "signature and clock, account, API version, vault, upload ID, parameters, body"),
    ("refusal based on the head", "the body is read and the connection stays open; early responses are faults"),
    (
        "refusal based on the head, with `Expect: 100-continue`",
        "`100 Continue` is not sent, and the connection is closed",
    ),
    ("when the age of a signature is checked", "after the head of the request, and again after its body"),
    (
        "headers that may be unsigned",
        "`x-amz-archive-description`, `x-amz-archive-size`, `x-amz-part-size`, `x-amz-sha256-tree-hash`; \
         any other `x-amz-` header must be",
    ),
    ("malformed `Authorization`, no valid date, no `Host`", "403 `InvalidSignatureException`"),
    ("an empty account", "treated as another account: 403 `AccessDeniedException`"),
    ("API version other than 2012-06-01", "Invalid"),
    ("part size missing", "Invalid, \"Invalid part size: null. …\""),
    (
        "a range that is not aligned, is longer than a part or exceeds its total",
        "Invalid, \"Invalid Content-Range: …\"",
    ),
    ("tree hash in upper-case hex", "Invalid, \"Invalid x-amz-sha256-tree-hash: …\""),
    ("Complete: missing range, short part, wrong size", "Invalid; the message names the range, the part or the size"),
    ("Complete: several errors", "the first of missing range, short part, size, tree hash"),
    ("an upload ID that does not exist", "404 `ResourceNotFoundException`, \"The upload ID was not found: …\""),
    (
        "requests to a completed or aborted upload",
        "as for an upload that does not exist, except repeated Complete and repeated Abort",
    ),
    ("repeated Complete, repeated Abort", "the same response, for one hour after the last request"),
    ("repeated Complete with another size or tree hash", "Invalid"),
    ("Abort of a completed upload", "404 `ResourceNotFoundException`"),
    ("an idle upload", "removed 24 hours after the last request that names it"),
    ("`limit` below 1, above 50 or not a number", "Invalid"),
    ("a marker of another list, or an invented one", "Invalid"),
    ("order of ListMultipartUploads", "by upload ID, which is random"),
    ("an unknown query parameter", "ignored"),
    ("`Transfer-Encoding`, two lengths, or a payload without length", "400 `BadRequest`, and the connection is closed"),
    (
        "a body for an operation without payload",
        "400 `BadRequest`; SDKs send `{}` for CreateVault, Initiate and Complete, which is accepted",
    ),
    ("a number with characters other than digits, including `+`", "treated as a number out of range"),
    (
        "the inventory of a vault",
        "computed at the time of the request; without archives `LastInventoryDate` is null and the counts are 0",
    ),
    ("`limit` of ListVaults", "as for the other lists; the default is 10"),
    (
        "a marker of ListVaults",
        "the list begins at the vault that the ARN names, even if it does not exist; other values are Invalid",
    ),
    ("a path without operation", "400 `BadRequest`"),
    (
        "the rate limit",
        "none by default; with a limit, the burst is one second, and further requests get 400 `ThrottlingException` before all checks",
    ),
    ("a storage failure", "500 `ServiceUnavailableException`"),
];

/// The headers that a client may leave unsigned, as the examples in the developer guide do.
pub const MAY_BE_UNSIGNED: [&str; 4] =
    ["x-amz-archive-description", "x-amz-archive-size", "x-amz-part-size", "x-amz-sha256-tree-hash"];

/// How long a repeated Complete or Abort still succeeds after the upload has ended.
pub const REMEMBERED_SECONDS: i64 = 3600;

/// How long an upload without requests exists.
pub const IDLE_SECONDS: i64 = 24 * 3600;

/// The maximum number of entries on a page of a list.
pub const PAGE_MAX: usize = 50;

/// The number of entries on a page of ListVaults without `limit`.
pub const LIST_VAULTS_DEFAULT: usize = 10;
