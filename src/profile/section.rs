//! The settings of a section of one file, and of a profile, which may have a section in each file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::parser::{RawSection, Value};
use crate::error::{Error, Result};
use crate::http::shown_url;
use crate::sanitize::printed_secrets::secrets_in;
use crate::sanitize::{Redactor, quoted};

/// A section of one file: a profile's part, an `sso-session` or a `services` section.
///
/// The values are wiped from memory when it is dropped. `Debug` shows none.
#[derive(Clone)]
pub struct Section {
    name: String,
    file: Arc<PathBuf>,
    raw: RawSection,
}

/// The value of a key, with the place that messages name.
///
/// `Display` shows the place, such as `region in line 3 of /home/u/.aws/config`, never the value.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The value: not empty, without white space at its ends. It has line feeds if indented lines continue it, see
    /// [`Setting::single_line`].
    pub value: &'a str,
    /// The key. The keys of a section are in lower case.
    pub key: &'a str,
    /// The file.
    pub file: &'a Path,
    /// The line of the key, from 1.
    pub line: usize,
    /// The first indented line that continues the value.
    continued_at: Option<usize>,
}

/// The indented `key = value` lines below a key without a value, such as `glacier =` in a `services` section.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    entries: &'a [super::parser::BlockEntry],
    /// The file.
    pub file: &'a Path,
    /// The line of the key above the block, from 1.
    pub line: usize,
}

/// An access key as one file has it. The parts of a key never come from two files.
///
/// If the secret key is missing, [`Section::absorbed`] may tell why.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeySettings<'a> {
    /// `aws_access_key_id`.
    pub access_key_id: Option<Setting<'a>>,
    /// `aws_secret_access_key`.
    pub secret_access_key: Option<Setting<'a>>,
    /// `aws_session_token`, else `aws_security_token`.
    pub session_token: Option<Setting<'a>>,
}

/// A line that is indented deeper than the key above, and so continues the value of that key. If it looks like a key, it has no
/// effect as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absorbed<'a> {
    /// The key above, in lower case.
    pub key_above: &'a str,
    /// The file.
    pub file: &'a Path,
    /// The indented line, from 1.
    pub line: usize,
}

/// A profile: its sections of both files. The profile `default` may have none.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    /// From the credentials file. Overrides the other one.
    credentials: Option<Section>,
    /// From the config file.
    config: Option<Section>,
}

const ACCESS_KEY_ID: &str = "aws_access_key_id";
const SECRET_ACCESS_KEY: &str = "aws_secret_access_key";
const SESSION_TOKEN: &str = "aws_session_token";
/// The old name of the token.
const SECURITY_TOKEN: &str = "aws_security_token";

impl Section {
    pub(super) fn new(name: String, file: Arc<PathBuf>, raw: RawSection) -> Self {
        Self { name, file, raw }
    }

    /// The name: of `[profile work]` it is `work`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line of the header, from 1.
    pub fn line(&self) -> usize {
        self.raw.line
    }

    /// Returns the value of a key, which must be in lower case. Returns `None` if the key is missing, empty or a block. The value
    /// may have several lines: no message may show it.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.text(key).map(|setting| setting.value)
    }

    /// As [`Section::get`], with the place of the key.
    pub fn text(&self, key: &str) -> Option<Setting<'_>> {
        let entry = self.raw.entries.iter().find(|entry| entry.key == key)?;
        let Value::Text(value) = &entry.value else { return None };
        (!value.is_empty()).then(|| Setting {
            value,
            key: &entry.key,
            file: &self.file,
            line: entry.line,
            continued_at: entry.continued_at,
        })
    }

    /// As [`Section::text`], for a value that must be one line.
    ///
    /// # Errors
    /// See [`Setting::single_line`].
    pub fn setting(&self, key: &str) -> Result<Option<Setting<'_>>> {
        self.text(key).map(Setting::single_line).transpose()
    }

    /// Adds the secrets in the values to a redactor.
    pub(super) fn register(&self, redactor: &Redactor) {
        for entry in &self.raw.entries {
            let add = |text: &str| secrets_in(text).iter().for_each(|secret| redactor.add(secret));
            match &entry.value {
                Value::Text(text) => add(text),
                Value::Block(lines) => lines.iter().for_each(|line| add(&line.value)),
            }
        }
        // Last: a redactor forgets the oldest secrets first.
        let KeySettings { secret_access_key, session_token, .. } = self.keys();
        [secret_access_key, session_token].into_iter().flatten().for_each(|secret| redactor.add(secret.value));
    }

    /// Returns whether the section has no key.
    pub fn is_empty(&self) -> bool {
        self.raw.entries.is_empty()
    }

    /// Returns the line of a key, from 1, which must be in lower case. Its value may be empty.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        self.raw.entries.iter().find(|entry| entry.key == key).map(|entry| entry.line)
    }

    /// Returns the block of a key, which must be in lower case.
    pub fn block(&self, key: &str) -> Option<Block<'_>> {
        let entry = self.raw.entries.iter().find(|entry| entry.key == key)?;
        let Value::Block(entries) = &entry.value else { return None };
        Some(Block { entries, file: &self.file, line: entry.line })
    }

    /// Returns the access key of the section.
    pub fn keys(&self) -> KeySettings<'_> {
        KeySettings {
            access_key_id: self.text(ACCESS_KEY_ID),
            secret_access_key: self.text(SECRET_ACCESS_KEY),
            session_token: self.text(SESSION_TOKEN).or_else(|| self.text(SECURITY_TOKEN)),
        }
    }

    /// Returns where a missing key, in lower case, is part of the value above it.
    pub fn absorbed(&self, key: &str) -> Option<Absorbed<'_>> {
        self.raw.entries.iter().find_map(|entry| {
            let absorbed = entry.absorbed.iter().find(|absorbed| absorbed.key == key)?;
            Some(Absorbed { key_above: &entry.key, file: &self.file, line: absorbed.line })
        })
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("name", &self.name).field("file", &self.file).finish_non_exhaustive()
    }
}

impl Profile {
    pub(super) fn new(name: impl Into<String>, credentials: Option<Section>, config: Option<Section>) -> Self {
        Self { name: name.into(), credentials, config }
    }

    /// The name, such as `default`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value of a key, which must be in lower case: of the credentials file, else of the config file. An empty value
    /// counts as none. The value may have several lines: no message may show it.
    ///
    /// For access keys, use [`Profile::credentials_file_keys`] and [`Profile::config_file_keys`].
    pub fn get(&self, key: &str) -> Option<&str> {
        self.text(key).map(|setting| setting.value)
    }

    /// As [`Profile::get`], with the place of the key.
    pub fn text(&self, key: &str) -> Option<Setting<'_>> {
        self.sections().find_map(|section| section.text(key))
    }

    /// As [`Profile::text`], for a value that must be one line.
    ///
    /// # Errors
    /// See [`Setting::single_line`].
    pub fn setting(&self, key: &str) -> Result<Option<Setting<'_>>> {
        self.text(key).map(Setting::single_line).transpose()
    }

    /// Returns the access key of the credentials file.
    pub fn credentials_file_keys(&self) -> KeySettings<'_> {
        self.credentials.as_ref().map(Section::keys).unwrap_or_default()
    }

    /// Returns the access key of the config file.
    pub fn config_file_keys(&self) -> KeySettings<'_> {
        self.config.as_ref().map(Section::keys).unwrap_or_default()
    }

    /// The section of the credentials file.
    pub fn credentials_section(&self) -> Option<&Section> {
        self.credentials.as_ref()
    }

    /// The section of the config file.
    pub fn config_section(&self) -> Option<&Section> {
        self.config.as_ref()
    }

    /// Adds the secret keys and tokens of both files to a redactor, and all that looks like a secret in the other values: a line
    /// break before a key may be missing, or an indentation may be too much.
    pub fn register(&self, redactor: &Redactor) {
        [&self.config, &self.credentials].into_iter().flatten().for_each(|section| section.register(redactor));
    }

    fn sections(&self) -> impl Iterator<Item = &Section> {
        self.credentials.iter().chain(&self.config)
    }
}

impl<'a> Setting<'a> {
    /// Returns the first indented line below the key that continues the value.
    pub fn continuation(&self) -> Option<Absorbed<'a>> {
        self.continued_at.map(|line| Absorbed { key_above: self.key, file: self.file, line })
    }

    /// Returns the setting if its value is one line. Another line is probably a key, even a secret one, with an indentation too
    /// much.
    ///
    /// # Errors
    /// `Invalid` shows the first line of the value, and names the place of the second one.
    pub fn single_line(self) -> Result<Self> {
        let Some(continuation) = self.continuation() else { return Ok(self) };
        let first = self.first_line();
        let shown = if first.contains(['@', '?']) || first.contains("://") { shown_url(first) } else { quoted(first) };
        let error =
            Error::invalid(format!("{self} has more than one line, and begins with {shown}: it must be one line"));
        Err(error.with_hint(continuation))
    }

    /// Returns the first line of the value.
    fn first_line(&self) -> &'a str {
        self.value.lines().next().unwrap_or_default()
    }
}

impl<'a> Block<'a> {
    /// Returns the value of a key, which is case-sensitive. Of two equal keys the later counts. An empty value counts as none.
    pub fn setting(&self, key: &str) -> Option<Setting<'a>> {
        let entry = self.entries.iter().rev().find(|entry| entry.key == key)?;
        let setting =
            Setting { value: &entry.value, key: &entry.key, file: self.file, line: entry.line, continued_at: None };
        (!setting.value.is_empty()).then_some(setting)
    }
}

impl fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block(line {} of {})", self.line, self.file.display())
    }
}

impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in line {} of {}", self.key, self.line, self.file.display())
    }
}

impl fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({self})")
    }
}

impl fmt::Display for Absorbed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {} of {} is indented deeper than the key {} above it and so continues its value: remove the indentation",
            self.line,
            self.file.display(),
            quoted(self.key_above)
        )
    }
}
