//! The region: set by the program, else in the environment, else in the selected profile.

use crate::endpoint::check_region;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::limits::quoted;
use crate::profile::Profiles;

/// The variables with the region, the first that is set counts.
const VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const KEY: &str = "region";

/// Returns the region and the place of the setting, which is empty for the program.
///
/// # Errors
/// `Invalid` names the value, its place and the rule, or all places if there is no region.
pub(super) fn find_region(
    explicit: Option<&str>,
    environment: &Environment,
    profiles: &Profiles,
) -> Result<(String, String)> {
    let variable = || VARIABLES.into_iter().find_map(|name| environment.get(name).map(|region| (name, region)));
    let (region, place) = if let Some(region) = explicit {
        (region, String::new())
    } else if let Some((name, region)) = variable() {
        (region, format!("the environment variable {name}"))
    } else if let Some(setting) = profiles.selected().setting(KEY)? {
        (setting.value, setting.to_string())
    } else {
        return Err(no_region(profiles));
    };
    match check_region(region) {
        Ok(()) => Ok((region.to_owned(), place)),
        Err(error) if place.is_empty() => Err(error),
        Err(error) => Err(error.with_hint(format_args!("the value is from {place}"))),
    }
}

fn no_region(profiles: &Profiles) -> Error {
    let profile = profiles.selected();
    let sections = [profile.credentials_section(), profile.config_section()];
    let headers: Vec<_> = sections
        .into_iter()
        .flatten()
        .map(|section| format!("line {} of {}", section.line(), section.file().display()))
        .collect();
    let place =
        if headers.is_empty() { profiles.files_summary() } else { format!("section: {}", headers.join(" and ")) };
    let inherited = if profile.name() == "default" { "" } else { "; the region of [default] is not inherited" };
    Error::invalid(format!(
        "no region is set: glacier_config_set_region is not used, the environment variables {} are not set, and profile {} has no key {KEY} \
         ({place}{inherited}); set one of them, such as AWS_REGION=us-east-1",
        VARIABLES.join(" and "),
        quoted(profile.name()),
    ))
}
