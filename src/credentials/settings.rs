//! The settings that providers are configured from.

use super::sts::Sts;
use crate::endpoint::ServiceEndpoints;
use crate::environment::Environment;
use crate::error::Result;
use crate::http::Endpoint;
use crate::profile::Profiles;

/// The environment, the profiles, and the endpoints of other services.
pub(super) struct Settings<'a> {
    pub(super) environment: &'a Environment,
    pub(super) profiles: &'a Profiles,
    pub(super) endpoints: &'a ServiceEndpoints,
}

impl Settings<'_> {
    /// Returns the endpoint of STS.
    ///
    /// # Errors
    /// `Invalid`.
    pub(super) fn sts(&self) -> Result<Sts> {
        Ok(Sts { endpoint: self.endpoints.sts()?, region: self.endpoints.region().to_owned() })
    }

    /// Returns the endpoint of the SSO portal in a region.
    ///
    /// # Errors
    /// `Invalid`.
    pub(super) fn sso_portal(&self, region: &str) -> Result<Endpoint> {
        self.endpoints.sso_portal(region)
    }
}
