//! Each operation of the service with an upload that is ready for it.

use std::sync::Arc;

use glacier_emulator::{Emulator, Operation};
use glacier_mp::client::Client;
use glacier_mp::error::Result;
use glacier_mp::upload::Upload;

use super::glacier::{MIB, VAULT};

/// The operations of a multipart upload.
pub(crate) const OPERATIONS: [Operation; 6] = [
    Operation::InitiateMultipartUpload,
    Operation::UploadMultipartPart,
    Operation::CompleteMultipartUpload,
    Operation::AbortMultipartUpload,
    Operation::ListParts,
    Operation::ListMultipartUploads,
];

/// Creates an upload of one byte and performs the operations that must precede `operation`.
pub(crate) fn prepared_upload(operation: Operation, client: &Arc<Client>) -> Arc<Upload> {
    let upload = Upload::new(client, VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    if operation != Operation::InitiateMultipartUpload {
        upload.initiate().unwrap();
    }
    if operation == Operation::CompleteMultipartUpload {
        upload.put_part(0, b"x", None).unwrap();
    }
    upload
}

/// Performs the operation.
pub(crate) fn perform(operation: Operation, upload: &Upload, client: &Client) -> Result<()> {
    match operation {
        Operation::InitiateMultipartUpload => upload.initiate(),
        Operation::UploadMultipartPart => upload.put_part(0, b"x", None),
        Operation::CompleteMultipartUpload => upload.complete(),
        Operation::AbortMultipartUpload => upload.abort(),
        Operation::ListParts => upload.list_parts().map(drop),
        Operation::ListMultipartUploads => client.list_uploads(VAULT).map(drop),
        other => panic!("{other:?} is not used"),
    }
}

/// Counts the requests of the operation.
pub(crate) fn requests(glacier: &Emulator, operation: Operation) -> usize {
    glacier.requests().iter().filter(|request| request.operation == Some(operation)).count()
}
