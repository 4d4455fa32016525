//! The provider chain: which provider supplies the keys if the program sets none.
//!
//! The order is the one of the AWS CLI. The first provider that the settings select is used, and no other: if it fails, the
//! chain must not use another identity.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::key::Credentials;
use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use super::settings::Settings;
use super::{assume_role, container, environment_keys, instance_metadata, profile_steps, web_identity};
use crate::endpoint::ServiceEndpoints;
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::limits::quoted;
use crate::profile::{Profiles, SelectedBy};
use crate::sanitize::Redactor;
use crate::sync::{Mutex, lock};
use crate::sys::wiping::WipedFrees;

/// The default time limit of a `credential_process`.
pub const PROCESS_TIME_LIMIT: Duration = Duration::from_secs(60);

/// The built-in provider of a client, which the environment and the profiles select.
pub struct Chain {
    environment: Arc<Environment>,
    endpoints: ServiceEndpoints,
    process_time_limit: Duration,
    plan: Mutex<Arc<Plan>>,
}

/// The result of the selection.
struct Plan {
    profiles: Arc<Profiles>,
    /// `None`: no provider is configured.
    provider: Option<Box<dyn Provider>>,
    /// The providers before it, each with the reason why it is not used.
    skipped: Vec<String>,
    /// The error of a key without its access key ID, which counts if nothing else is found.
    partial: Option<Error>,
}

impl Chain {
    /// Selects the provider. Sends nothing and starts no process.
    ///
    /// # Errors
    /// `Invalid` and `Credentials` for a setting of the selected provider.
    pub fn new(environment: Arc<Environment>, profiles: Arc<Profiles>, endpoints: ServiceEndpoints) -> Result<Self> {
        let plan = Arc::new(Plan::new(&environment, profiles, &endpoints)?);
        Ok(Self { environment, endpoints, process_time_limit: PROCESS_TIME_LIMIT, plan: Mutex::new(plan) })
    }

    /// Sets the time limit of a process, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_process_time_limit(mut self, limit: Duration) -> Self {
        self.process_time_limit = limit;
        self
    }

    /// Creates a chain that always selects `provider`.
    #[cfg(test)]
    pub(super) fn of_provider(provider: Box<dyn Provider>) -> Self {
        let environment = Arc::new(Environment::isolated());
        let Ok(profiles) = Profiles::load(&environment, None) else { unreachable!("there are no files") };
        let profiles = Arc::new(profiles);
        let endpoints = ServiceEndpoints::new("us-east-1", Arc::clone(&environment), Arc::clone(&profiles));
        let plan = Plan { profiles, provider: Some(provider), skipped: Vec::new(), partial: None };
        Self { environment, endpoints, process_time_limit: PROCESS_TIME_LIMIT, plan: Mutex::new(Arc::new(plan)) }
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(super) fn process_time_limit(&self) -> Duration {
        self.process_time_limit
    }

    /// Returns whether another load may return other keys.
    pub(super) fn can_refresh(&self) -> bool {
        !self.plan().provider.as_ref().is_some_and(|provider| provider.is_constant())
    }

    /// Returns where the keys come from; empty if no provider is configured.
    pub fn source(&self) -> String {
        self.plan().provider.as_ref().map(|provider| provider.source()).unwrap_or_default()
    }

    /// Returns keys from the selected provider. Before a refresh, the profiles are read again.
    ///
    /// # Errors
    /// See [`Provider::load`]; `Credentials` with the reason of each provider if there are no keys.
    pub(super) fn load(&self, context: &LoadContext<'_>) -> Result<Credentials> {
        // The buffers of HTTP, TLS, JSON and pipes contain keys.
        let _wiped = WipedFrees::begin();
        let plan = if context.is_refresh { self.replan(context.redactor)? } else { self.plan() };
        let Some(provider) = &plan.provider else { return Err(plan.nothing_found(None)) };
        match provider.load(context)? {
            Loaded::Keys(credentials) => {
                credentials.key.register(context.redactor);
                Ok(credentials)
            }
            Loaded::Nothing(reason) => Err(plan.nothing_found(Some(reason))),
        }
    }

    fn plan(&self) -> Arc<Plan> {
        Arc::clone(&lock(&self.plan))
    }

    /// Selects the provider again if a profile selects it: other tools may have rewritten the files.
    fn replan(&self, redactor: &Redactor) -> Result<Arc<Plan>> {
        let plan = self.plan();
        let Some(provider) = plan.provider.as_ref().filter(|provider| provider.is_of_profile()) else {
            return Ok(plan);
        };
        let profiles = Arc::new(plan.profiles.reload()?);
        profiles.register(redactor);
        let new = Arc::new(Plan::new(&self.environment, profiles, &self.endpoints)?);
        if !new.provider.as_ref().is_some_and(|provider| provider.is_of_profile()) {
            return Err(failure(format!(
                "profile {} no longer supplies keys; the last ones came from {}",
                quoted(plan.profiles.selected().name()),
                provider.source()
            )));
        }
        *lock(&self.plan) = Arc::clone(&new);
        Ok(new)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("source", &self.source()).finish_non_exhaustive()
    }
}

/// The steps of the selection.
struct Selection {
    skipped: Vec<String>,
    partial: Option<Error>,
}

impl Selection {
    /// Returns the provider if it is configured. Otherwise records why it is not.
    fn take(&mut self, name: &str, configured: Configured) -> Option<Box<dyn Provider>> {
        match configured {
            Configured::Yes(provider) => return Some(provider),
            Configured::No(reason) => self.skip(name, &reason),
            Configured::Partial(error) => {
                self.skip(name, error.message());
                self.partial.get_or_insert(error);
            }
        }
        None
    }

    fn skip(&mut self, name: &str, reason: &str) {
        self.skipped.push(format!("{name}: {reason}"));
    }
}

impl Plan {
    fn new(environment: &Environment, profiles: Arc<Profiles>, endpoints: &ServiceEndpoints) -> Result<Self> {
        let mut selection = Selection { skipped: Vec::new(), partial: None };
        let settings = Settings { environment, profiles: &profiles, endpoints };
        let provider = select(&settings, &mut selection)?;
        let Selection { skipped, partial } = selection;
        Ok(Self { profiles, provider, skipped, partial })
    }

    /// Returns the error of a chain without keys. `reason` is why the last provider has none.
    fn nothing_found(&self, reason: Option<String>) -> Error {
        let mut reasons = self.skipped.clone();
        reasons.extend(reason.map(|reason| format!("{INSTANCE_METADATA}: {reason}")));
        let text = format!("no credentials found: {}", reasons.join("; "));
        match &self.partial {
            Some(partial) => Error::new(Kind::Credentials, partial.message()).with_hint(text),
            None => failure(text),
        }
    }
}

const INSTANCE_METADATA: &str = "instance metadata";

/// Returns the first provider that the settings select.
fn select(settings: &Settings<'_>, selection: &mut Selection) -> Result<Option<Box<dyn Provider>>> {
    let profile = settings.profiles.selected();
    let profile_name = format!("profile {}", quoted(profile.name()));
    let is_selected_by_program = settings.profiles.selected_by() == SelectedBy::Program;
    if is_selected_by_program {
        selection.skip("environment", "not used, because the program selects a profile");
    } else if let Some(provider) = selection.take("environment", environment_keys::configure(settings.environment)?) {
        return Ok(Some(provider));
    }
    if let Configured::Yes(provider) = assume_role::configure(settings)? {
        return Ok(Some(provider));
    }
    let web_identity = web_identity::configure(settings, profile, !is_selected_by_program)?;
    if let Some(provider) = selection.take("web identity", web_identity) {
        return Ok(Some(provider));
    }
    match profile_steps::configure_own(profile, settings)? {
        profile_steps::Outcome::Provider(provider) => return Ok(Some(provider)),
        profile_steps::Outcome::Nothing { reason, partial } => {
            selection.skip(&profile_name, partial.as_ref().map_or(reason.as_str(), Error::message));
            selection.partial = selection.partial.take().or(partial);
        }
    }
    if let Some(provider) = selection.take("container", container::configure(settings.environment)?) {
        return Ok(Some(provider));
    }
    Ok(selection.take(INSTANCE_METADATA, instance_metadata::configure(settings.environment, profile)?))
}
