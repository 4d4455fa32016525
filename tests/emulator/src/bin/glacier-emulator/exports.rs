//! Shell commands that export the environment variables of a client.

use crate::settings::Settings;

/// The variable with the process ID. It is in the last command.
pub(crate) const PID: &str = "GLACIER_EMULATOR_PID";

/// Exempts the emulator from a proxy of the environment. The hosts that were exempt stay so. `*` exempts all hosts,
/// but only alone.
const NO_PROXY: &str = r#"no_proxy="${no_proxy:-${NO_PROXY:-}}";
[ "$no_proxy" = "*" ] || no_proxy="127.0.0.1${no_proxy:+,$no_proxy}";
export no_proxy NO_PROXY="$no_proxy";
"#;

/// Returns one POSIX shell command per line. Each ends with `;`, so that the text also works on one line.
pub(crate) fn text(settings: &Settings, endpoint: &str) -> String {
    let command = |(name, value): (&str, Option<String>)| match value {
        Some(value) => format!("export {name}={};\n", quoted(&value)),
        None => format!("unset {name};\n"),
    };
    let commands: String = variables(settings, endpoint).into_iter().map(command).collect();
    commands + NO_PROXY + &format!("export {PID}={};\n", std::process::id())
}

/// The variables of a client and their values. `None`: the variable is unset.
///
/// They replace all settings of the environment and of the AWS files that prevent a client from using the emulator, or its
/// key. A client in any language reads the environment, so the list has every variable that some client reads.
fn variables(settings: &Settings, endpoint: &str) -> Vec<(&'static str, Option<String>)> {
    let options = &settings.options;
    let ca = settings.ca_out.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let value = |text: &str| Some(text.to_owned());
    vec![
        ("AWS_ENDPOINT_URL_GLACIER", value(endpoint)),
        ("AWS_REGION", value(&options.region)),
        ("AWS_DEFAULT_REGION", value(&options.region)),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", value("false")),
        ("AWS_USE_FIPS_ENDPOINT", value("false")),
        ("AWS_USE_DUALSTACK_ENDPOINT", value("false")),
        ("AWS_ACCESS_KEY_ID", value(&options.access_key)),
        ("AWS_SECRET_ACCESS_KEY", value(&options.secret_key)),
        ("AWS_SESSION_TOKEN", options.session_token.clone()),
        // The old name of the same variable. botocore prefers it.
        ("AWS_SECURITY_TOKEN", None),
        ("AWS_CREDENTIAL_EXPIRATION", None),
        ("AWS_PROFILE", None),
        ("AWS_DEFAULT_PROFILE", None),
        // Not empty: some clients then read the default files.
        ("AWS_CONFIG_FILE", value("/dev/null")),
        ("AWS_SHARED_CREDENTIALS_FILE", value("/dev/null")),
        ("AWS_CA_BUNDLE", ca.map(|path| path.to_string_lossy().into_owned())),
    ]
}

fn quoted(value: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&b);
    if !value.is_empty() && value.bytes().all(safe) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_special_characters() {
        assert_eq!(quoted("http://127.0.0.1:1"), "http://127.0.0.1:1");
        assert_eq!(quoted("it's a b"), r"'it'\''s a b'");
        assert_eq!(quoted(""), "''");
    }
}
