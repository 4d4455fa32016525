//! The request that a fault applies to.

use glacier_emulator::{Fault, Operation};

/// One request of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Initiate,
    Part(Which),
    Complete,
    Abort,
    PartsPage(Which),
    UploadsPage(Which),
}

/// One of three parts, or of three pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    First,
    Middle,
    Last,
}

impl Target {
    pub(crate) const ALL: [Self; 12] = [
        Self::Initiate,
        Self::Part(Which::First),
        Self::Part(Which::Middle),
        Self::Part(Which::Last),
        Self::Complete,
        Self::Abort,
        Self::PartsPage(Which::First),
        Self::PartsPage(Which::Middle),
        Self::PartsPage(Which::Last),
        Self::UploadsPage(Which::First),
        Self::UploadsPage(Which::Middle),
        Self::UploadsPage(Which::Last),
    ];

    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::Initiate => Operation::InitiateMultipartUpload,
            Self::Part(_) => Operation::UploadMultipartPart,
            Self::Complete => Operation::CompleteMultipartUpload,
            Self::Abort => Operation::AbortMultipartUpload,
            Self::PartsPage(_) => Operation::ListParts,
            Self::UploadsPage(_) => Operation::ListMultipartUploads,
        }
    }

    /// Restricts a fault to this request.
    pub(crate) fn aim(self, fault: Fault) -> Fault {
        let fault = fault.on(self.operation());
        match self {
            Self::Initiate | Self::Complete | Self::Abort => fault,
            Self::Part(which) => fault.part(which as u64),
            // Skips the pages before.
            Self::PartsPage(which) | Self::UploadsPage(which) => fault.skip(which as u64),
        }
    }

    /// The heading of the column.
    pub(crate) fn name(self) -> String {
        let (operation, which) = match self {
            Self::Initiate => return "Initiate".to_owned(),
            Self::Complete => return "Complete".to_owned(),
            Self::Abort => return "Abort".to_owned(),
            Self::Part(which) => ("Part", which),
            Self::PartsPage(which) => ("Parts", which),
            Self::UploadsPage(which) => ("Uploads", which),
        };
        format!("{operation} {}", which as u64 + 1)
    }
}
