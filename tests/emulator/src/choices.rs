//! What is not known of the live service, and what the emulator does there.
//!
//! Nobody outside can try these. A client that is right must not depend on any of them; they stand here, and nowhere
//! else, so that a reader can tell a fact of the service from a decision of ours.
//!
//! | open question | choice |
//! |---|---|
//! | order of the checks | signature and clock, account, API version, vault, upload ID, parameters, then the body |
//! | a refusal that could be given before the body is read | the body is read to its end first, and the connection stays; early answers are faults |
//! | when the signature's age is checked | when the head of the request is in, and again when its body is |
//! | headers that need not be signed | what the guide's examples leave unsigned: [`MAY_BE_UNSIGNED`]; any other `x-amz-` header must be |
//! | `Authorization` that cannot be read, no usable date | 403 `InvalidSignatureException` |
//! | API version other than 2012-06-01 | 400 `InvalidParameterValueException` |
//! | part size missing | 400 `InvalidParameterValueException`, "Invalid part size: null. …" |
//! | a range that is not aligned, or longer than a part | 400 `InvalidParameterValueException`, "Invalid Content-Range: …" |
//! | `Content-Range` with a total in place of `*` | the same |
//! | tree hash in upper-case hex | 400 `InvalidParameterValueException`, "Invalid x-amz-sha256-tree-hash: …" |
//! | Complete with a range missing, a short part in the middle, a wrong size | 400 `InvalidParameterValueException`; the message names the first byte or part concerned |
//! | Complete with several things wrong | missing range, short part, size, tree hash: the first of these |
//! | the upload ID does not exist | 404 `ResourceNotFoundException`, "The upload ID was not found: …" |
//! | the same for an upload that was completed or aborted | as if it did not exist, but for the next two lines |
//! | Complete again, Abort again | answered as the first time for [`REMEMBERED_SECONDS`]; a Complete with another size or tree hash is refused |
//! | Abort of a completed upload | 404 |
//! | an upload that is idle | gone after [`IDLE_SECONDS`]; every request that names it counts |
//! | `limit` below 1, above [`PAGE_MAX`], or no number | 400 `InvalidParameterValueException` |
//! | a marker that was not given out for this very list | 400 `InvalidParameterValueException` |
//! | order of ListMultipartUploads | by upload ID, which is as good as none |
//! | `Transfer-Encoding`, two lengths, a body without `Content-Length` | 400 `BadRequest`, and the connection is closed |
//! | a body where the operation takes none | 400 `BadRequest` |
//! | an address that is no operation here | 400 `BadRequest` |
//! | Storage runs out or fails | 500 `ServiceUnavailableException` |

/// Headers of a request that a client may leave out of its signature.
pub const MAY_BE_UNSIGNED: [&str; 4] =
    ["x-amz-archive-description", "x-amz-archive-size", "x-amz-part-size", "x-amz-sha256-tree-hash"];

/// How long a finished upload's ID still answers a repeated Complete or Abort.
pub const REMEMBERED_SECONDS: i64 = 3600;

/// How long an upload lives that nobody asks for.
pub const IDLE_SECONDS: i64 = 24 * 3600;

/// The most entries on a page of a list.
pub const PAGE_MAX: usize = 50;
