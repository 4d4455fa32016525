//! The lookup of an endpoint in the environment and the selected profile.

use std::sync::Arc;

use super::partition::{Variant, url_of_region};
use super::service::AwsService;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::Endpoint;
use crate::limits::quoted;
use crate::profile::Profiles;

/// The endpoints of the services that supply keys, in the region of the client.
#[derive(Clone, Debug)]
pub struct ServiceEndpoints {
    region: String,
    environment: Arc<Environment>,
    profiles: Arc<Profiles>,
}

/// A URL from the settings, and the place that messages name.
struct CustomUrl<'a> {
    url: &'a str,
    /// Empty if the program set the URL.
    place: String,
}

/// A flag from the settings.
struct Flag {
    is_set: bool,
    /// The place that messages name.
    place: String,
}

const COMMON_VARIABLE: &str = "AWS_ENDPOINT_URL";
const URL_KEY: &str = "endpoint_url";

impl ServiceEndpoints {
    /// Creates the lookup. `region` is the region of the client.
    pub fn new(region: impl Into<String>, environment: Arc<Environment>, profiles: Arc<Profiles>) -> Self {
        Self { region: region.into(), environment, profiles }
    }

    /// The region of the client, which requests to STS are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the endpoint of STS.
    ///
    /// # Errors
    /// See [`find_endpoint`].
    pub fn sts(&self) -> Result<Endpoint> {
        find_endpoint(AwsService::Sts, &self.region, None, &self.environment, &self.profiles)
    }

    /// Returns the endpoint of the SSO portal in a region, which may differ from that of the client.
    ///
    /// # Errors
    /// See [`find_endpoint`].
    pub fn sso_portal(&self, region: &str) -> Result<Endpoint> {
        find_endpoint(AwsService::SsoPortal, region, None, &self.environment, &self.profiles)
    }
}

/// Returns the endpoint of a service: `explicit`, else the one of the environment, of the profile or of the region, in this order.
///
/// # Errors
/// `Invalid` for an invalid URL or flag, a `services` section that is missing or malformed, FIPS or dual stack with a custom
/// endpoint, an invalid region, and a region without Glacier.
pub fn find_endpoint(
    service: AwsService,
    region: &str,
    explicit: Option<&str>,
    environment: &Environment,
    profiles: &Profiles,
) -> Result<Endpoint> {
    locate_endpoint(service, region, explicit, environment, profiles).map(|(endpoint, _)| endpoint)
}

/// Does the same as [`find_endpoint`]. Also returns the place of the setting, which is empty for `explicit`.
///
/// # Errors
/// See [`find_endpoint`].
pub fn locate_endpoint(
    service: AwsService,
    region: &str,
    explicit: Option<&str>,
    environment: &Environment,
    profiles: &Profiles,
) -> Result<(Endpoint, String)> {
    let settings = Settings { environment, profiles };
    let fips = settings.flag("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")?;
    let dual_stack = settings.flag("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")?;
    let custom = match explicit {
        Some(url) => Some(CustomUrl { url, place: String::new() }),
        None => settings.custom_url(service)?,
    };
    let Some(custom) = custom else {
        let variant = Variant { fips: is_set(fips.as_ref()), dual_stack: is_set(dual_stack.as_ref()) };
        let endpoint = Endpoint::parse(&url_of_region(service, region, variant)?)?;
        return Ok((endpoint, format!("the region {region}")));
    };
    let endpoint = Endpoint::parse(custom.url).map_err(|error| with_place(error, &custom.place))?;
    for (flag, name) in [(fips, "FIPS"), (dual_stack, "dual-stack")] {
        if let Some(flag) = flag.filter(|flag| flag.is_set) {
            let error = Error::invalid(format!(
                "the {name} endpoint of the region is requested by {}, but endpoint {} is set: remove one of the two settings",
                flag.place,
                quoted(custom.url)
            ));
            return Err(with_place(error, &custom.place));
        }
    }
    Ok((endpoint, custom.place))
}

/// Adds where the value is from.
fn with_place(error: Error, place: &str) -> Error {
    if place.is_empty() { error } else { error.with_hint(format_args!("the endpoint is from {place}")) }
}

fn is_set(flag: Option<&Flag>) -> bool {
    flag.is_some_and(|flag| flag.is_set)
}

/// The settings that are searched.
struct Settings<'a> {
    environment: &'a Environment,
    profiles: &'a Profiles,
}

impl<'a> Settings<'a> {
    /// Returns a flag of a variable, else of a key of the profile.
    fn flag(&self, variable: &str, key: &str) -> Result<Option<Flag>> {
        let (value, place) = if let Some(value) = self.environment.get(variable) {
            (value, format!("the environment variable {variable}"))
        } else if let Some(setting) = self.profiles.selected().setting(key)? {
            (setting.value, setting.to_string())
        } else {
            return Ok(None);
        };
        let is_set = if value.eq_ignore_ascii_case("true") {
            true
        } else if value.eq_ignore_ascii_case("false") {
            false
        } else {
            return Err(Error::invalid(format!("{place} is {}: it must be true or false", quoted(value))));
        };
        Ok(Some(Flag { is_set, place }))
    }

    /// Returns the URL of a service in the environment or the profile.
    fn custom_url(&self, service: AwsService) -> Result<Option<CustomUrl<'a>>> {
        if is_set(self.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")?.as_ref()) {
            return Ok(None);
        }
        for variable in [service.variable(), COMMON_VARIABLE] {
            if let Some(url) = self.environment.get(variable) {
                return Ok(Some(CustomUrl { url, place: format!("the environment variable {variable}") }));
            }
        }
        if let Some(found) = self.url_of_services_section(service)? {
            return Ok(Some(found));
        }
        let setting = self.profiles.selected().setting(URL_KEY)?;
        Ok(setting.map(|setting| CustomUrl { url: setting.value, place: setting.to_string() }))
    }

    fn url_of_services_section(&self, service: AwsService) -> Result<Option<CustomUrl<'a>>> {
        let Some(name) = self.profiles.selected().setting("services")? else { return Ok(None) };
        let section = self.profiles.services(name.value).ok_or_else(|| {
            Error::invalid(format!(
                "{name} is {}, but the AWS config file has no section {}: add it, or remove the key",
                quoted(name.value),
                quoted(&format!("[services {}]", name.value))
            ))
        })?;
        let key = service.block();
        let example = format!("write \"{key} =\", and in the next line \"  {URL_KEY} = URL\"");
        if section.is_empty() {
            return Err(Error::invalid(format!(
                "{name} is {}, but the section in line {} of {} has no key: {example}",
                quoted(name.value),
                section.line(),
                section.file().display()
            )));
        }
        let block = section.block(key);
        // Without indentation, the line with the URL would be a key of its own, without effect.
        if let Some(line) = section.line_of(key).filter(|_| block.is_none()) {
            return Err(Error::invalid(format!(
                "{key} in line {line} of {} must have indented lines below it: {example}",
                section.file().display()
            )));
        }
        let setting = block.and_then(|block| block.setting(URL_KEY));
        Ok(setting.map(|setting| CustomUrl { url: setting.value, place: setting.to_string() }))
    }
}

#[cfg(test)]
mod tests;
