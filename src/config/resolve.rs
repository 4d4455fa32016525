//! The check of all settings together.

use std::sync::Arc;
use std::time::Duration;

use super::region::find_region;
use super::settings::Config;
use crate::credentials::{Chain, CredentialsSource};
use crate::endpoint::{AwsService, ServiceEndpoints, locate_endpoint};
use crate::environment::Environment;
use crate::error::Result;
use crate::http::{Endpoint, Network, NetworkSettings, ProxyRules, TrustStore};
use crate::log::Log;
use crate::profile::Profiles;
use crate::retry::Policy;
use crate::sanitize::Redactor;

/// The complete settings, checked together.
#[derive(Debug)]
pub struct ResolvedConfig {
    /// The environment as of the creation of the config.
    pub environment: Arc<Environment>,
    /// The profiles of the shared AWS files.
    pub profiles: Arc<Profiles>,
    /// The region in signatures.
    pub region: String,
    /// The place of the setting of the region. Empty: the program.
    pub region_place: String,
    /// The endpoint of the service.
    pub endpoint: Endpoint,
    /// The place of the setting of the endpoint. Empty: the program.
    pub endpoint_place: String,
    /// 12 digits, or `-`.
    pub account_id: String,
    /// The source of the keys that requests are signed with.
    pub credentials: CredentialsSource,
    /// The trusted certificates.
    pub trust: TrustStore,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The maximum number of parts in flight per upload.
    pub workers: u32,
    /// The maximum size of all part buffers of the client, in bytes.
    pub memory_limit: u64,
    /// The bandwidth limit of the client, in bytes per second; 0: no limit.
    pub bandwidth_limit: u64,
    /// The retry policy.
    pub policy: Policy,
    /// The time limit for opening a connection.
    pub connect_timeout: Duration,
    /// The maximum time without progress on a connection.
    pub stall_timeout: Duration,
    /// Which endpoints are reached through which proxy.
    pub proxies: ProxyRules,
    /// The log.
    pub log: Arc<Log>,
    /// Removes secrets from messages.
    pub redactor: Arc<Redactor>,
}

impl Config {
    /// Checks all settings together. Reads the shared AWS files and the CA file. Sends nothing.
    ///
    /// # Errors
    /// `Invalid` for an invalid or missing setting, `Credentials` for an incomplete key, `Io` for a file that cannot be read.
    pub fn resolve(&self) -> Result<ResolvedConfig> {
        self.try_resolve().map_err(|error| self.redacted(error))
    }

    fn try_resolve(&self) -> Result<ResolvedConfig> {
        let environment = &self.environment;
        let profiles = Arc::new(Profiles::load(environment, self.profile_name.as_deref())?);
        profiles.register(&self.redactor);
        let (region, region_place) = find_region(self.region.as_deref(), environment, &profiles)?;
        let (endpoint, endpoint_place) =
            locate_endpoint(AwsService::Glacier, &region, self.endpoint.as_deref(), environment, &profiles)?;
        let trust = self.trust.resolve(environment, profiles.selected(), Arc::clone(&self.log))?;
        Ok(ResolvedConfig {
            environment: Arc::clone(environment),
            credentials: self.credentials_source(&region, &profiles)?,
            profiles,
            region,
            region_place,
            endpoint,
            endpoint_place,
            account_id: self.account_id.clone(),
            trust,
            user_agent: self.user_agent.clone(),
            workers: self.workers,
            memory_limit: self.memory_limit,
            bandwidth_limit: self.bandwidth_limit,
            policy: self.policy,
            connect_timeout: self.connect_timeout,
            stall_timeout: self.stall_timeout,
            proxies: self.proxies.clone(),
            log: Arc::clone(&self.log),
            redactor: Arc::clone(&self.redactor),
        })
    }

    fn credentials_source(&self, region: &str, profiles: &Arc<Profiles>) -> Result<CredentialsSource> {
        if let Some(source) = &self.credentials {
            return Ok(source.clone());
        }
        let endpoints = ServiceEndpoints::new(region, Arc::clone(&self.environment), Arc::clone(profiles));
        let chain = Chain::new(Arc::clone(&self.environment), Arc::clone(profiles), endpoints)?;
        Ok(CredentialsSource::Chain(Arc::new(chain)))
    }
}

impl ResolvedConfig {
    /// Creates the network that all transports of a client share.
    ///
    /// # Errors
    /// `Invalid` for a user agent that is not printable.
    pub fn network(&self) -> Result<Network> {
        Network::new(NetworkSettings {
            user_agent: self.user_agent.clone(),
            trust: self.trust.clone(),
            connect_timeout: self.connect_timeout,
            stall_timeout: self.stall_timeout,
            proxies: self.proxies.clone(),
        })
    }
}
