//! Shell commands that export the environment variables of a client.

use crate::settings::Settings;

/// The variable with the process ID. It is in the last command.
pub(crate) const PID: &str = "GLACIER_EMULATOR_PID";

/// Exempts the emulator from a proxy of the environment. The hosts that were exempt stay so. `*` exempts all hosts, but only
/// alone.
const NO_PROXY: &str = r#"no_proxy="${no_proxy:-${NO_PROXY:-}}";
[ "$no_proxy" = "*" ] || no_proxy="127.0.0.1${no_proxy:+,$no_proxy}";
export no_proxy NO_PROXY="$no_proxy";
"#;

/// Returns one POSIX shell command per line. Each ends with `;`, so that the text also works on one line.
pub(crate) fn text(settings: &Settings, endpoint: &str) -> String {
    let options = &settings.options;
    let mut text = String::new();
    let mut export = |name: &str, value: &str| text.push_str(&format!("export {name}={};\n", quoted(value)));
    export("AWS_ENDPOINT_URL_GLACIER", endpoint);
    export("AWS_REGION", &options.region);
    export("AWS_DEFAULT_REGION", &options.region);
    export("AWS_ACCESS_KEY_ID", &options.access_key);
    export("AWS_SECRET_ACCESS_KEY", &options.secret_key);
    if let Some(path) = &settings.ca_out {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        export("AWS_CA_BUNDLE", &path.to_string_lossy());
    }
    match &options.session_token {
        Some(token) => export("AWS_SESSION_TOKEN", token),
        None => text.push_str("unset AWS_SESSION_TOKEN;\n"),
    }
    text.push_str(NO_PROXY);
    text + &format!("export {PID}={};\n", std::process::id())
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
