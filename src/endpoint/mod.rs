//! The endpoints of AWS services: those of the settings, else those of the region.

mod lookup;
mod partition;

pub use self::lookup::{ServiceEndpoints, find_endpoint, locate_endpoint};
pub use self::partition::{Variant, check_region, url_of_region};

/// A service that the library calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsService {
    /// The archive service.
    Glacier,
    /// The security token service, which returns the keys of roles.
    Sts,
    /// The portal of IAM Identity Center, which returns keys for a login.
    SsoPortal,
}

impl AwsService {
    /// The beginning of its host names.
    fn host(self) -> &'static str {
        match self {
            Self::Glacier => "glacier",
            Self::Sts => "sts",
            Self::SsoPortal => "portal.sso",
        }
    }

    /// The environment variable with its endpoint.
    fn variable(self) -> &'static str {
        match self {
            Self::Glacier => "AWS_ENDPOINT_URL_GLACIER",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
            Self::SsoPortal => "AWS_ENDPOINT_URL_SSO",
        }
    }

    /// The key of its block in a `services` section.
    fn block(self) -> &'static str {
        match self {
            Self::Glacier => "glacier",
            Self::Sts => "sts",
            Self::SsoPortal => "sso",
        }
    }
}
