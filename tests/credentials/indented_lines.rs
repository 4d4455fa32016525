//! Indented lines of the shared AWS files, which continue the value above them: no message shows their text.

use std::fs;

use glacier_mp::config::{Config, ResolvedConfig};
use glacier_mp::environment::Environment;
use glacier_mp::error::{Kind, Result};
use tempfile::TempDir;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Resolves settings with these two files.
fn resolve(directory: &TempDir, config: &str, credentials: &str) -> Result<ResolvedConfig> {
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (config, credentials) = (write("config", config), write("credentials", credentials));
    let home = directory.path().to_str().unwrap();
    Config::new(Environment::from_pairs([
        ("HOME", home),
        ("AWS_CONFIG_FILE", &config),
        ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]))
    .resolve()
}

/// Returns the error of settings with these two files. It never shows the secret.
fn error(config: &str, credentials: &str) -> glacier_mp::error::Error {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let error = resolve(&directory, config, credentials).map(|_| ()).expect_err("must fail");
    for start in 0..SECRET.len() - 8 {
        assert!(!error.message().contains(&SECRET[start..start + 8]), "{error}");
    }
    error
}

#[test]
fn settings_reject_indented_lines_below_them() {
    let role = "role_arn = arn:aws:iam::123456789012:role/r";
    let base = "[profile base]\naws_access_key_id = AKID\naws_secret_access_key = secret-base-key\n";
    for setting in [
        "region = us-east-1",
        "ca_bundle = /nowhere/ca.pem",
        "endpoint_url = http://127.0.0.1:1",
        "use_fips_endpoint = true",
        "services = local",
        "login_session = x",
        &format!("{role}\nweb_identity_token_file = /nowhere/token"),
        &format!("{role}\nsource_profile = base"),
        &format!("{role}\ncredential_source = Environment"),
        &format!("source_profile = base\n{role}"),
        &format!("{role}\nsource_profile = base\nexternal_id = x"),
        &format!("{role}\nsource_profile = base\nduration_seconds = 900"),
        "sso_account_id = 1\nsso_role_name = r\nsso_session = corp",
        "sso_account_id = 1\nsso_role_name = r",
    ] {
        for line in ["aws_secret_access_key = ", "aws_session_token: ", "  x=", ""] {
            let region = if setting.starts_with("region") { "" } else { "region = us-east-1\n" };
            let text = format!("[default]\n{region}{setting}\n  {line}{SECRET}\n");
            let error = error(&format!("{text}{base}"), "");
            for word in [&format!("line {} of ", text.lines().count()), "remove the indentation"] {
                assert!(error.message().contains(word), "{setting:?}, {line:?}: {error}");
            }
            assert_eq!(error.kind(), Kind::Invalid);
        }
    }
}

#[test]
fn error_of_an_indented_line_shows_the_first_line_of_the_value() {
    let text =
        format!("[default]\naws_access_key_id = AKID\nregion = us-east-1\n\n  aws_secret_access_key = {SECRET}\n");
    let error = error("", &text);
    assert!(error.message().contains("region in line 3 of "), "{error}");
    let words = "has more than one line, and begins with \"us-east-1\": it must be one line";
    assert!(error.message().contains(words), "{error}");
    assert!(error.message().contains("line 5 of "), "{error}");
}

#[test]
fn parts_of_a_key_reject_indented_lines_below_them() {
    let text = format!(
        "[default]\nregion = us-east-1\naws_access_key_id = AKID\naws_secret_access_key = {SECRET}\n  aws_session_token = {SECRET}\n"
    );
    let error = error("", &text);
    assert!(error.message().contains("line 5 of ") && error.message().contains("remove the indentation"), "{error}");
}

#[test]
fn sections_beside_the_profile_reject_indented_lines() {
    let sso = "[default]\nregion = us-east-1\nsso_account_id = 1\nsso_role_name = r\nsso_session = corp\n";
    let sso =
        format!("{sso}[sso-session corp]\nsso_start_url = https://x\nsso_region = eu-west-1\n  token = {SECRET}\n");
    let base = "[default]\nregion = us-east-1\nrole_arn = x\nsource_profile = base\n[profile base]\n";
    let base = format!("{base}role_arn = y\nsource_profile = z\n  aws_secret_access_key = {SECRET}\n");
    for text in [sso, base] {
        let error = error(&text, "");
        let number = text.lines().count();
        assert!(error.message().contains(&format!("line {number} of ")), "{error}");
    }
}

#[test]
fn redacts_secrets_behind_the_value_of_another_key() {
    for line in [
        format!("region = us east 1 aws_secret_access_key = {SECRET}"),
        format!("region = x aws_session_token: {SECRET}"),
        format!("region = us-east-1\nservices = http://user:{SECRET}@host"),
    ] {
        let error = error(&format!("[default]\n{line}\n"), "");
        assert!(error.message().contains("[redacted]"), "{error}");
    }
    // The secret is cut, so that the redactor does not find it.
    for before in [" aws_secret_access_key = ", " aws_secret_access_key=", ";aws_secret_access_key: \""] {
        for shown in 0..=20 {
            let value = format!("us-east-1 {}{before}", "x".repeat(80 - "us-east-1 ".len() - before.len() - shown));
            let error = error(&format!("[default]\nregion = {value}{SECRET}\n"), "");
            assert!(error.message().contains("us-east-1 xxx"), "{error}");
        }
    }
}

#[test]
fn redacts_secrets_in_the_names_of_sections() {
    let config = format!("[profile work]\n[profile \"a aws_secret_access_key = {SECRET}\"]\n");
    let credentials = format!("[b aws_session_token={SECRET}]\n");
    let error = error(&config, &credentials);
    assert!(error.message().contains("[profile work]") && error.message().contains("[redacted]"), "{error}");
}

#[test]
fn program_of_several_lines_is_shown_up_to_its_first_line() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let text = format!(
        "[default]\nregion = us-east-1\ncredential_process = \"/bin/prog\n  aws_secret_access_key = {SECRET}\"\n"
    );
    let resolved = resolve(&directory, &text, "").unwrap();
    let source = format!("{:?}", resolved.credentials);
    assert!(source.contains("/bin/prog") && !source.contains("wJalr"), "{source}");
}
