//! The AWS services that the library calls.

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
    pub(super) fn host(self) -> &'static str {
        match self {
            Self::Glacier => "glacier",
            Self::Sts => "sts",
            Self::SsoPortal => "portal.sso",
        }
    }

    /// The environment variable with its endpoint.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Glacier => "AWS_ENDPOINT_URL_GLACIER",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
            Self::SsoPortal => "AWS_ENDPOINT_URL_SSO",
        }
    }

    /// The key of its block in a `services` section.
    pub(super) fn block(self) -> &'static str {
        match self {
            Self::Glacier => "glacier",
            Self::Sts => "sts",
            Self::SsoPortal => "sso",
        }
    }
}
