//! The options of the connection, and the client that they describe.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use glacier_mp::config::Config;

use super::values::path;
use crate::exit::{Failure, Result};
use crate::hyphens::parse_text;
use crate::size::{count_in, parse_time};

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The profile of the shared AWS files
    #[arg(long, value_name = "NAME", value_parser = parse_text)]
    pub(crate) profile: Option<String>,
    /// The region, such as eu-west-1
    #[arg(long, value_name = "REGION", value_parser = parse_text)]
    pub(crate) region: Option<String>,
    /// The endpoint, instead of that of the region
    #[arg(long, value_name = "URL", visible_alias = "endpoint-url", value_parser = parse_text)]
    pub(crate) endpoint: Option<String>,
    /// The account ID: 12 digits, or - for the account of the credentials
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = parse_text)]
    pub(crate) account_id: Option<String>,
    /// The proxy, http://[user:password@]host[:port] or https://...; empty: no proxy
    ///
    /// Other users of the machine can read a password on the command line. The environment variable https_proxy hides it.
    /// Commands that are printed have USER:PASSWORD in its place.
    #[arg(long, value_name = "URL", value_parser = parse_text)]
    pub(crate) proxy: Option<String>,
    /// A file of PEM certificates to trust instead of those of the system
    #[arg(long, value_name = "FILE", visible_alias = "ca-bundle", value_parser = path())]
    pub(crate) ca_file: Option<PathBuf>,
    /// The time limit for opening a connection, such as 10s
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) connect_timeout: Option<Duration>,
    /// The maximum time without progress on a connection, such as 60s
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) stall_timeout: Option<Duration>,
    /// The maximum time without any acknowledged part, such as 30m
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) give_up_after: Option<Duration>,
    /// The maximum attempts per request, those in outages included; 0: only --give-up-after applies
    #[arg(long, value_name = "COUNT", value_parser = count_in(0..=u32::MAX))]
    pub(crate) max_attempts: Option<u32>,
}

impl ConnectionArgs {
    /// Returns the settings: the options above the environment.
    ///
    /// # Errors
    /// An invalid option.
    pub(crate) fn config(&self) -> Result<Config> {
        self.try_config().map_err(Failure::of_option)
    }

    /// Returns the account ID in requests: 12 digits, or `-`.
    pub(crate) fn account_id(&self) -> String {
        self.account_id.clone().unwrap_or_else(|| "-".to_owned())
    }

    fn try_config(&self) -> glacier_mp::error::Result<Config> {
        let mut config = Config::from_environment();
        self.set_options(&mut config).map_err(|error| config.redacted(error))?;
        Ok(config)
    }

    fn set_options(&self, config: &mut Config) -> glacier_mp::error::Result<()> {
        config.set_user_agent(concat!("glacier-mp/", env!("CARGO_PKG_VERSION")))?;
        if let Some(profile) = &self.profile {
            config.set_profile(profile)?;
        }
        if let Some(proxy) = &self.proxy {
            config.set_proxy(Some(proxy))?;
        }
        if let Some(region) = &self.region {
            config.set_region(region)?;
        }
        if let Some(endpoint) = &self.endpoint {
            config.set_endpoint(endpoint)?;
        }
        if let Some(id) = &self.account_id {
            config.set_account_id(id)?;
        }
        if let Some(file) = &self.ca_file {
            config.set_ca_file(file)?;
        }
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if let Some(time) = self.connect_timeout {
            config.set_connect_timeout_ms(milliseconds(time))?;
        }
        if let Some(time) = self.stall_timeout {
            config.set_stall_timeout_ms(milliseconds(time))?;
        }
        if let Some(time) = self.give_up_after {
            config.set_give_up_after_ms(milliseconds(time))?;
        }
        if let Some(attempts) = self.max_attempts {
            config.set_max_attempts(attempts)?;
        }
        Ok(())
    }
}
