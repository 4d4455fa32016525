//! The environment of the process, captured once.
//!
//! No other module reads environment variables. A copy stays the same if the program changes its environment later, and tests
//! use one of their own.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::sys::home::home_of_user;

/// All environment variables at one point in time. Their values are wiped from memory when it is dropped.
#[derive(Default)]
pub struct Environment {
    variables: Vec<Variable>,
}

/// One variable.
struct Variable {
    name: OsString,
    value: Zeroizing<Vec<u8>>,
    /// The value with U+FFFD in place of the invalid bytes, if it is not UTF-8.
    lossy: Option<Zeroizing<String>>,
}

impl Environment {
    /// Captures the environment of the process. Call only in `glacier_config_new`: programs may change their environment in
    /// other threads later.
    pub fn capture() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    /// Creates an environment from names and values, for tests. Of two equal names the first counts, as in `getenv`.
    pub fn from_pairs<N: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| Variable::new(name.into(), value.into()));
        Self { variables: variables.collect() }
    }

    /// Creates an environment that has no settings and no AWS files, for tests: they must not depend on those of the user.
    #[doc(hidden)]
    pub fn isolated() -> Self {
        Self::from_pairs([
            ("AWS_CONFIG_FILE", ""),
            ("AWS_SHARED_CREDENTIALS_FILE", ""),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
    }

    /// Returns the text of a variable. Returns `None` if it is unset or empty.
    ///
    /// Invalid UTF-8 becomes U+FFFD. The code that uses the value rejects this character and names the variable. For paths, use
    /// [`Environment::raw`].
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variable(name)?.text().filter(|text| !text.is_empty())
    }

    /// Returns the unchanged value of a variable. An empty value is distinct from an unset variable.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variable(name).map(Variable::raw)
    }

    /// Returns the home directory: HOME or, if it is unset or empty, the directory in the user database. Returns `None` if both
    /// have none.
    pub fn home(&self) -> Option<PathBuf> {
        let variable = self.raw("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        variable.or_else(home_of_user)
    }

    /// Replaces a leading `~` of a path by the home directory. `~user` and `$NAME` have no special meaning. Returns `None` if
    /// the home directory is needed but unknown.
    pub fn expand_home(&self, path: &Path) -> Option<PathBuf> {
        match path.strip_prefix("~") {
            Ok(rest) if rest.as_os_str().is_empty() => self.home(),
            Ok(rest) => self.home().map(|home| home.join(rest)),
            Err(_) => Some(path.to_owned()),
        }
    }

    /// Returns all names and values, for the environment of a child process.
    pub fn pairs(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|variable| (variable.name.as_os_str(), variable.raw()))
    }

    fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }
}

impl Variable {
    fn new(name: OsString, value: OsString) -> Self {
        let value = Zeroizing::new(value.into_vec());
        let lossy = match std::str::from_utf8(&value) {
            Ok(_) => None,
            Err(_) => Some(lossy(&value)),
        };
        Self { name, value, lossy }
    }

    fn raw(&self) -> &OsStr {
        OsStr::from_bytes(&self.value)
    }

    fn text(&self) -> Option<&str> {
        match &self.lossy {
            Some(text) => Some(text),
            None => std::str::from_utf8(&self.value).ok(),
        }
    }
}

/// Replaces invalid UTF-8. Allocated at full size: a growing string would leave copies of a secret in freed memory.
fn lossy(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * char::REPLACEMENT_CHARACTER.len_utf8()));
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("variables", &self.variables.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_variable_counts_as_unset_but_is_distinct_when_raw() {
        let environment = Environment::from_pairs([("EMPTY", ""), ("SET", "x")]);
        assert_eq!(
            (environment.get("EMPTY"), environment.get("SET"), environment.get("UNSET")),
            (None, Some("x"), None)
        );
        assert_eq!(environment.raw("EMPTY"), Some(OsStr::new("")));
        assert_eq!(environment.raw("UNSET"), None);
    }

    #[test]
    fn first_of_two_equal_names_counts() {
        assert_eq!(Environment::from_pairs([("A", "1"), ("A", "2")]).get("A"), Some("1"));
    }

    #[test]
    fn replaces_invalid_utf8_in_text_only() {
        let value = OsString::from_vec(b"a\xff\xfeb".to_vec());
        let environment = Environment::from_pairs([("A", value.clone())]);
        assert_eq!(environment.get("A"), Some("a\u{fffd}\u{fffd}b"));
        assert_eq!(environment.raw("A"), Some(value.as_os_str()));
        assert_eq!(environment.pairs().collect::<Vec<_>>(), [(OsStr::new("A"), value.as_os_str())]);
    }

    #[test]
    fn expands_only_a_leading_tilde() {
        let environment = Environment::from_pairs([("HOME", "/home/u")]);
        for (path, expected) in [
            ("~", "/home/u"),
            ("~/x/y", "/home/u/x/y"),
            ("~other/x", "~other/x"),
            ("/a/~/b", "/a/~/b"),
            ("$HOME/x", "$HOME/x"),
            ("relative", "relative"),
        ] {
            assert_eq!(environment.expand_home(Path::new(path)), Some(PathBuf::from(expected)), "{path}");
        }
    }

    #[test]
    fn takes_home_from_user_database_if_variable_is_unset_or_empty() {
        let of_user = Environment::default().home();
        assert_eq!(of_user, home_of_user());
        assert_eq!(Environment::from_pairs([("HOME", "")]).home(), of_user);
    }

    #[test]
    fn captures_the_environment_of_the_process() {
        assert!(Environment::capture().get("PATH").is_some());
    }

    #[test]
    fn debug_output_contains_no_value() {
        assert!(!format!("{:?}", Environment::from_pairs([("A", "hush-hush")])).contains("hush"));
    }
}
