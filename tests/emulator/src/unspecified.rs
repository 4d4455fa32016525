//! Behavior of the live service that is not known, and the choices that the emulator makes.
//!
//! Nobody without a vault can test these on the live service. A correct client must not depend on any of them. They are
//! all in this table, so that a reader can distinguish facts of the service from choices of the emulator.

/// The open questions and the emulator's choices. *Invalid* means 400 `InvalidParameterValueException`.
pub const UNSPECIFIED: &[(&str, &str)] = &[
    ("order of the checks", "signature and clock, account, API version, vault, upload ID, parameters, body"),
    ("refused by the head alone", "the body is read all the same, and the connection stays; early answers are faults"),
    (
        "refused by the head alone, with `Expect: 100-continue`",
        "the body is not asked for, and the connection is closed",
    ),
    ("when a signature's age is checked", "when the head of the request is in, and again when its body is"),
    (
        "headers that need not be signed",
        "`x-amz-archive-description`, `x-amz-archive-size`, `x-amz-part-size`, `x-amz-sha256-tree-hash`; \
         any other `x-amz-` header must be",
    ),
    ("unreadable `Authorization`, no usable date, no `Host`", "403 `InvalidSignatureException`"),
    ("an empty account", "another account than the key's: 403 `AccessDeniedException`"),
    ("API version other than 2012-06-01", "Invalid"),
    ("part size missing", "Invalid, \"Invalid part size: null. …\""),
    (
        "a range not aligned, longer than a part, or with a total that it does not fit into",
        "Invalid, \"Invalid Content-Range: …\"",
    ),
    ("tree hash in upper-case hex", "Invalid, \"Invalid x-amz-sha256-tree-hash: …\""),
    ("Complete: missing range, short part, wrong size", "Invalid; the message names the range, the part or the size"),
    ("Complete: several things wrong", "the first of missing range, short part, size, tree hash"),
    ("the upload ID does not exist", "404 `ResourceNotFoundException`, \"The upload ID was not found: …\""),
    ("an upload that was completed or aborted", "as if it did not exist, but for Complete again and Abort again"),
    ("Complete again, Abort again", "as the first time, for an hour since it was last asked for"),
    ("Complete again with another size or tree hash", "Invalid"),
    ("Abort of a completed upload", "404 `ResourceNotFoundException`"),
    ("an idle upload", "gone after 24 hours; every request that names it counts"),
    ("`limit` below 1, above 50, or no number", "Invalid"),
    ("a marker that was not given out for this very list", "Invalid"),
    ("order of ListMultipartUploads", "by upload ID, which is as good as none"),
    ("a query parameter that the operation does not know", "ignored"),
    ("`Transfer-Encoding`, two lengths, a payload without one", "400 `BadRequest`, and the connection is closed"),
    (
        "a body where the operation takes none",
        "400 `BadRequest`, except `{}` for CreateVault, Initiate and Complete, which SDKs send",
    ),
    ("a number with anything but digits, a `+` included", "as one that is out of range"),
    (
        "the inventory of a vault",
        "taken when the vault is asked for; without archives `LastInventoryDate` is null and the counts are 0",
    ),
    ("`limit` of ListVaults", "as for the other lists, but 10 without it"),
    (
        "a marker of ListVaults",
        "the list begins at the vault that the ARN names, existing or not; anything else is Invalid",
    ),
    ("an address that is no operation here", "400 `BadRequest`"),
    (
        "how many requests are admitted",
        "all, unless a limit is set; then a second's worth at once, and 400 `ThrottlingException` beyond, before all checks",
    ),
    ("storage that fails", "500 `ServiceUnavailableException`"),
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
