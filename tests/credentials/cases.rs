//! The cases of `tests/data/credentials.json`: files, variables and arguments with the expected result.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use glacier_mp::clock::{Clock, SystemClock};
use glacier_mp::config::Config;
use glacier_mp::environment::Environment;
use glacier_mp::error::Result;
use serde_json::Value;
use tempfile::TempDir;

use crate::support;
use crate::time::iso8601;

/// A case, whose files are written.
pub(crate) struct Case {
    pub(crate) name: String,
    directory: TempDir,
    server: String,
    variables: BTreeMap<String, String>,
    case: Value,
}

/// Returns the file of the cases.
pub(crate) fn known_answers() -> Value {
    let file: Value = serde_json::from_str(&support::known_answers("credentials.json")).unwrap();
    assert_eq!(file["cases"].as_array().unwrap().len(), 214);
    file
}

/// Returns a directory for the files of a case.
pub(crate) fn new_directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Replaces the placeholders of a text: the directory, the URL of the server, and times.
pub(crate) fn fill(text: &str, directory: &Path, server: &str) -> String {
    let now = SystemClock::new().unix_time();
    let mut text = text.replace("{dir}", directory.to_str().unwrap()).replace("{fake}", server);
    for (prefix, sign) in [("{now+", 1), ("{now-", -1), ("{ms+", 1)] {
        while let Some(at) = text.find(prefix) {
            let end = at + text[at..].find('}').unwrap();
            let offset: i64 = text[at + prefix.len()..end].parse().unwrap();
            let time = now + sign * offset;
            let date = if prefix == "{ms+" { (time * 1000).to_string() } else { iso8601(time) };
            text.replace_range(at..=end, &date);
        }
    }
    text
}

impl Case {
    /// Writes the files of a case. `server` is the URL of the server.
    pub(crate) fn new(case: &Value, default_variables: &Value, directory: TempDir, server: impl Into<String>) -> Self {
        let mut new = Self {
            name: case["name"].as_str().unwrap().to_owned(),
            directory,
            server: server.into(),
            variables: BTreeMap::new(),
            case: case.clone(),
        };
        fs::create_dir(new.directory.path().join("home")).unwrap();
        for (path, content) in case["files"].as_object().unwrap() {
            new.write(path, content);
        }
        new.variables.insert("PATH".to_owned(), std::env::var("PATH").unwrap());
        for (name, value) in default_variables.as_object().unwrap().iter().chain(case["env"].as_object().unwrap()) {
            match value.as_str() {
                Some(value) => new.variables.insert(name.clone(), new.filled(value)),
                None => new.variables.remove(name),
            };
        }
        new
    }

    /// Returns settings with the environment, profile, region and endpoint of the case.
    pub(crate) fn config(&self) -> Result<Config> {
        let mut config = Config::new(Environment::from_pairs(&self.variables));
        if let Some(profile) = self.argument("profile") {
            config.set_profile(&profile)?;
        }
        if let Some(region) = self.argument("region") {
            config.set_region(&region)?;
        }
        if let Some(url) = self.argument("endpoint_url") {
            config.set_endpoint(&url)?;
        }
        Ok(config)
    }

    /// Returns what the program sets.
    pub(crate) fn argument(&self, name: &str) -> Option<String> {
        self.case["args"][name].as_str().map(|value| self.filled(value))
    }

    /// Returns a field of the expected result.
    pub(crate) fn expected(&self, name: &str) -> Option<String> {
        self.of_library("expected")[name].as_str().map(|value| self.filled(value))
    }

    /// Returns the expected requests.
    pub(crate) fn requests(&self) -> &[Value] {
        self.of_library("requests").as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns a value for this library, which may deviate from botocore.
    fn of_library(&self, name: &str) -> &Value {
        let deviation = &self.case["deviation"][name];
        if deviation.is_null() { &self.case[name] } else { deviation }
    }

    /// Returns whether the case has a file that this user can read despite its mode, such as the superuser.
    pub(crate) fn has_readable_secret(&self) -> bool {
        self.case["files"].as_object().unwrap().iter().any(|(path, content)| {
            content["mode"].is_string() && fs::File::open(self.directory.path().join(path)).is_ok()
        })
    }

    fn write(&self, path: &str, content: &Value) {
        let path = self.directory.path().join(path);
        if content["directory"] == true {
            return fs::create_dir_all(path).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = match content["hex"].as_str() {
            Some(digits) => hex::decode(digits).unwrap(),
            None => self.filled(content.as_str().or(content["text"].as_str()).unwrap()).into_bytes(),
        };
        fs::write(&path, bytes).unwrap();
        if let Some(mode) = content["mode"].as_str() {
            fs::set_permissions(&path, fs::Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap())).unwrap();
        }
    }

    /// Replaces the placeholders of a text.
    pub(crate) fn filled(&self, text: &str) -> String {
        fill(text, self.directory.path(), &self.server)
    }
}
