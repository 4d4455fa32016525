//! The cases of `tests/data/credentials.json`: files, variables and arguments with the expected result.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use glacier_mp::environment::Environment;
use serde_json::Value;
use tempfile::TempDir;

/// The URL in place of the placeholder for a server. Nothing is sent to it.
const SERVER: &str = "http://127.0.0.1:9";

/// A case, whose files are written.
pub(crate) struct Case {
    pub(crate) name: String,
    directory: TempDir,
    variables: BTreeMap<String, String>,
    case: Value,
}

/// Returns all cases.
pub(crate) fn cases() -> Vec<Case> {
    let text = include_str!("../data/credentials.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 214);
    cases.iter().map(|case| Case::new(case, &vectors["default_env"])).collect()
}

impl Case {
    fn new(case: &Value, defaults: &Value) -> Self {
        let mut new = Self {
            name: case["name"].as_str().unwrap().to_owned(),
            directory: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
            case: case.clone(),
        };
        fs::create_dir(new.directory.path().join("home")).unwrap();
        let files: Vec<_> = case["files"].as_object().into_iter().flatten().collect();
        for (path, content) in files {
            new.write(Path::new(path), content);
        }
        for (name, value) in defaults.as_object().into_iter().chain(case["env"].as_object()).flatten() {
            match value.as_str() {
                Some(value) => new.variables.insert(name.clone(), new.filled(value)),
                None => new.variables.remove(name),
            };
        }
        new
    }

    /// Returns the environment.
    pub(crate) fn environment(&self) -> Environment {
        Environment::from_pairs(&self.variables)
    }

    /// Returns what the program sets.
    pub(crate) fn argument(&self, name: &str) -> Option<String> {
        self.case["args"][name].as_str().map(|value| self.filled(value))
    }

    /// Returns a field of the expected result.
    pub(crate) fn expected(&self, name: &str) -> Option<String> {
        let deviation = &self.case["deviation"]["expected"];
        let expected = if deviation.is_null() { &self.case["expected"] } else { deviation };
        expected[name].as_str().map(|value| self.filled(value))
    }

    /// Returns whether the case has a file that this user can read despite its mode, such as the superuser.
    pub(crate) fn has_readable_secret(&self) -> bool {
        let Some(files) = self.case["files"].as_object() else { return false };
        files.iter().any(|(path, content)| {
            content["mode"].is_string() && fs::File::open(self.directory.path().join(path)).is_ok()
        })
    }

    fn write(&self, path: &Path, content: &Value) {
        let path: PathBuf = self.directory.path().join(path);
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

    /// Replaces the placeholders that matter here. Those of times are in files that are not read.
    fn filled(&self, text: &str) -> String {
        text.replace("{dir}", self.directory.path().to_str().unwrap()).replace("{fake}", SERVER)
    }
}
