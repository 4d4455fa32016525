//! The shared AWS config and credentials files: their profiles, and which profile is selected.
//!
//! [`Profiles::load`] reads both files, as the AWS CLI does. A violation in either file is an error, even if nothing of the file
//! is needed: a part that is skipped silently is hard to find. Comments and values follow the AWS CLI with few exceptions:
//! `# comments` behind a value, a byte order mark and `[DEFAULT]` are ignored, and an empty value counts as none.

mod files;
#[cfg(feature = "test-fuzzing")]
pub mod fuzzing;
mod parser;
mod section;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use self::files::Location;
pub use self::files::{FileKind, FileState};
use self::parser::RawSection;
pub use self::section::{Absorbed, Block, KeySettings, Profile, Section, Setting};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::sanitize::printed_secrets::printed_secrets;
use crate::sanitize::{REDACTED, Redactor, quoted};
use crate::shell_words;
use crate::sys::emergency_memory;

/// How the profile was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectedBy {
    /// The program set the profile. It then overrides the keys in the environment.
    Program,
    /// The environment variable of this name.
    Variable(&'static str),
    /// Nothing: the profile is `default`, and may be missing.
    Default,
}

/// The profiles of both files at the time of reading.
///
/// Secrets are wiped from memory when it is dropped. `Debug` shows no value.
#[derive(Debug)]
pub struct Profiles {
    config_location: Location,
    credentials_location: Location,
    config_state: FileState,
    credentials_state: FileState,
    /// By name.
    profiles: HashMap<String, Profile>,
    sso_sessions: HashMap<String, Section>,
    services: HashMap<String, Section>,
    selected: Profile,
    selected_by: SelectedBy,
    /// The headers of the config file that name no profile, such as `work` for `[work]`.
    unprefixed: Vec<String>,
}

/// The memory that a section takes at most in the maps, in bytes: its name, and two copies while the maps grow.
const SECTION_MEMORY: usize = 4 * (size_of::<Profile>() + size_of::<Section>()) + 256;

impl Profiles {
    /// Reads the files at the paths of the environment, and selects a profile: the one of the program, AWS_PROFILE,
    /// AWS_DEFAULT_PROFILE, `default`.
    ///
    /// # Errors
    /// `Io` if a file exists but cannot be read. `Invalid` if a file cannot be parsed, or if neither has the selected profile.
    pub fn load(environment: &Environment, selected_by_program: Option<&str>) -> Result<Self> {
        let (name, selected_by) = select(environment, selected_by_program);
        let locations = [FileKind::Config, FileKind::Credentials].map(|kind| kind.locate(environment));
        Self::read(locations, name, selected_by)
    }

    /// Reads the same paths again and selects the same profile: other tools may have replaced the keys.
    ///
    /// # Errors
    /// As [`Profiles::load`].
    pub fn reload(&self) -> Result<Self> {
        let locations = [self.config_location.clone(), self.credentials_location.clone()];
        Self::read(locations, self.selected.name(), self.selected_by)
    }

    /// The selected profile. It has no settings if it is `default` and neither file has it.
    pub fn selected(&self) -> &Profile {
        &self.selected
    }

    /// How [`Profiles::selected`] was selected.
    pub fn selected_by(&self) -> SelectedBy {
        self.selected_by
    }

    /// Returns a profile by name.
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// Returns the section `[sso-session NAME]` of the config file.
    pub fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    /// Returns the section `[services NAME]` of the config file.
    pub fn services(&self, name: &str) -> Option<&Section> {
        self.services.get(name)
    }

    /// Returns the names of all profiles, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.profiles.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Returns what was at the path of a file.
    pub fn file_state(&self, kind: FileKind) -> FileState {
        match kind {
            FileKind::Config => self.config_state,
            FileKind::Credentials => self.credentials_state,
        }
    }

    /// Returns the path of a file. Returns `None` if there is none, see [`Profiles::file_state`].
    pub fn path(&self, kind: FileKind) -> Option<&Path> {
        let location = match kind {
            FileKind::Config => &self.config_location,
            FileKind::Credentials => &self.credentials_location,
        };
        match location {
            Location::Path(path) => Some(path),
            Location::Disabled | Location::NoHome => None,
        }
    }

    /// Returns what each file has, for messages: `/home/u/.aws/config does not exist, /home/u/.aws/credentials has only [work]`.
    pub fn files_summary(&self) -> String {
        [FileKind::Config, FileKind::Credentials].map(|kind| self.file_summary(kind)).join(", ")
    }

    fn file_summary(&self, kind: FileKind) -> String {
        let path = self.path(kind).map(|path| path.display().to_string()).unwrap_or_default();
        match self.file_state(kind) {
            FileState::Read => match self.names_in(kind).as_slice() {
                [] => format!("{path} has no profile"),
                names => format!("{path} has only {}", list(names)),
            },
            FileState::Missing => format!("{path} does not exist"),
            FileState::NotRegular => format!("{path} is not a regular file"),
            FileState::Disabled => format!("{} is empty, which disables {}", kind.variable(), kind.name()),
            FileState::NoHome => format!(
                "{} cannot be found, because neither HOME nor the user database has a home directory",
                kind.name()
            ),
        }
    }

    /// Returns the headers of the profiles that a file has, sorted.
    fn names_in(&self, kind: FileKind) -> Vec<String> {
        let has_section = |profile: &&Profile| match kind {
            FileKind::Config => profile.config_section().is_some(),
            FileKind::Credentials => profile.credentials_section().is_some(),
        };
        let header = |profile: &Profile| match (kind, shown_name(profile.name())) {
            (FileKind::Config, name) if name != DEFAULT => format!("[profile {name}]"),
            (_, name) => format!("[{name}]"),
        };
        let mut names: Vec<_> = self.profiles.values().filter(has_section).map(header).collect();
        names.sort_unstable();
        names
    }

    /// Adds the secrets of the selected profile, and of the sections that it names, to a redactor.
    pub fn register(&self, redactor: &Redactor) {
        let mut profile = &self.selected;
        for _ in 0..REGISTERED_MAX {
            let section = |key: &str, sections: &HashMap<String, Section>| {
                let name = profile.get(key).unwrap_or_default();
                if let Some(section) = sections.get(name) {
                    section.register(redactor);
                }
            };
            section("sso_session", &self.sso_sessions);
            section("services", &self.services);
            profile.register(redactor);
            match profile.get("source_profile").and_then(|name| self.profile(name)) {
                Some(source) if source.name() != profile.name() => profile = source,
                _ => break,
            }
        }
        // Again: a redactor forgets the oldest secrets first.
        self.selected.register(redactor);
    }

    fn read(locations: [Location; 2], name: &str, selected_by: SelectedBy) -> Result<Self> {
        let [config_location, credentials_location] = locations;
        let (config_state, config) = read(FileKind::Config, &config_location)?;
        let (credentials_state, credentials) = read(FileKind::Credentials, &credentials_location)?;
        let mut profiles = Self {
            config_location,
            credentials_location,
            config_state,
            credentials_state,
            profiles: HashMap::new(),
            sso_sessions: HashMap::new(),
            services: HashMap::new(),
            selected: Profile::new(name, None, None),
            selected_by,
            unprefixed: Vec::new(),
        };
        emergency_memory::ensure_beside((config.len() + credentials.len()) * SECTION_MEMORY)?;
        profiles.add_sections(config, credentials);
        match profiles.profiles.get(name) {
            Some(profile) => profiles.selected = profile.clone(),
            None if selected_by == SelectedBy::Default => {}
            None => return Err(profiles.not_found(name)),
        }
        Ok(profiles)
    }

    fn add_sections(&mut self, config: Vec<RawSection>, credentials: Vec<RawSection>) {
        let mut config_sections = HashMap::new();
        if let Location::Path(path) = &self.config_location {
            for raw in config {
                let (target, name) = match classify(&raw.header) {
                    Some((SectionKind::Profile, name)) => (&mut config_sections, name),
                    Some((SectionKind::SsoSession, name)) => (&mut self.sso_sessions, name),
                    Some((SectionKind::Services, name)) => (&mut self.services, name),
                    None => {
                        self.unprefixed.push(raw.header);
                        continue;
                    }
                };
                // A later section replaces an earlier one of the same name with another spelling.
                target.insert(name.clone(), Section::new(name, Arc::clone(path), raw));
            }
        }
        let mut credentials_sections = HashMap::new();
        if let Location::Path(path) = &self.credentials_location {
            for raw in credentials {
                credentials_sections
                    .insert(raw.header.clone(), Section::new(raw.header.clone(), Arc::clone(path), raw));
            }
        }
        for (name, credentials) in credentials_sections {
            let config = config_sections.remove(&name);
            self.profiles.insert(name.clone(), Profile::new(name, Some(credentials), config));
        }
        for (name, config) in config_sections {
            self.profiles.insert(name.clone(), Profile::new(name, None, Some(config)));
        }
    }

    fn not_found(&self, name: &str) -> Error {
        let origin = match self.selected_by {
            SelectedBy::Program => "set by the program".to_owned(),
            SelectedBy::Variable(variable) => format!("from the environment variable {variable}"),
            SelectedBy::Default => "the default".to_owned(),
        };
        let error =
            Error::invalid(format!("profile {} ({origin}) does not exist: {}", quoted(name), self.files_summary()));
        if self.unprefixed.iter().any(|header| header.trim() == name) {
            let header = format!("[profile {name}]");
            error.with_hint(format_args!("in the config file, write {} instead of [{name}]", quoted(&header)))
        } else {
            error.with_hint("create the profile, or select another one")
        }
    }
}

/// The maximum number of profiles in a chain of source profiles whose secrets are registered before they are used.
const REGISTERED_MAX: usize = 4;

/// Returns the name of a profile for a message, without what looks like a secret: a line break after the name may be missing.
fn shown_name(name: &str) -> String {
    printed_secrets([name.as_bytes()])
        .map_or_else(|| REDACTED.to_owned(), |secrets| secrets.redacted(name).into_owned())
}

/// The profile that is used if none is selected.
const DEFAULT: &str = "default";

fn select<'a>(environment: &'a Environment, by_program: Option<&'a str>) -> (&'a str, SelectedBy) {
    if let Some(name) = by_program {
        return (name, SelectedBy::Program);
    }
    let variables = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
    let set = variables.into_iter().find_map(|variable| environment.get(variable).map(|name| (name, variable)));
    set.map_or((DEFAULT, SelectedBy::Default), |(name, variable)| (name, SelectedBy::Variable(variable)))
}

fn read(kind: FileKind, location: &Location) -> Result<(FileState, Vec<RawSection>)> {
    match location {
        Location::Path(path) => files::read(kind, path),
        Location::Disabled => Ok((FileState::Disabled, Vec::new())),
        Location::NoHome => Ok((FileState::NoHome, Vec::new())),
    }
}

/// The kinds of sections of the config file.
enum SectionKind {
    Profile,
    SsoSession,
    Services,
}

/// Returns kind and name of a section of the config file. Returns `None` for any other header, which the AWS CLI ignores too.
fn classify(header: &str) -> Option<(SectionKind, String)> {
    if header == DEFAULT {
        return Some((SectionKind::Profile, DEFAULT.to_owned()));
    }
    let prefixes = [
        ("profile", SectionKind::Profile),
        ("sso-session", SectionKind::SsoSession),
        ("services", SectionKind::Services),
    ];
    // The AWS CLI compares only the beginning of the first word, so that `[profiles work]` is a profile too.
    let (_, kind) = prefixes.into_iter().find(|(prefix, _)| header.starts_with(prefix))?;
    let words = shell_words::split(header)?;
    match <[String; 2]>::try_from(words) {
        Ok([_, name]) => Some((kind, name)),
        Err(_) => None,
    }
}

/// Joins names, at most 10 of them.
fn list(names: &[String]) -> String {
    const MAX: usize = 10;
    let shown = names.iter().take(MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MAX { format!("{shown} and {} more", names.len() - MAX) } else { shown }
}

#[cfg(test)]
mod tests;
