use std::fs;

use super::*;
use crate::error::Kind;

/// Creates settings from variables and no files.
fn with(variables: &[(&str, &str)]) -> Config {
    let no_files = [("AWS_CONFIG_FILE", ""), ("AWS_SHARED_CREDENTIALS_FILE", "")];
    Config::new(Environment::from_pairs(no_files.into_iter().chain(variables.iter().copied())))
}

const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "secret")];

fn rejected(config: &Config) -> String {
    let error = config.resolve().expect_err("must be rejected");
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
    error.to_string()
}

#[test]
fn explicit_settings_override_the_environment() {
    let mut config = with(&[
        KEY[0],
        KEY[1],
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_GLACIER", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:2"),
    ]);
    let resolved = config.resolve().unwrap();
    assert_eq!((resolved.region.as_str(), resolved.endpoint.to_string().as_str()), ("eu-west-1", "http://127.0.0.1:1"));
    config.set_region("us-west-2").unwrap();
    config.set_endpoint("https://glacier.example").unwrap();
    let resolved = config.resolve().unwrap();
    assert_eq!(
        (resolved.region.as_str(), resolved.endpoint.to_string().as_str()),
        ("us-west-2", "https://glacier.example")
    );
}

#[test]
fn reports_invalid_variables_only_if_they_are_used() {
    let mut config = with(&[KEY[0], KEY[1], ("AWS_REGION", "EU WEST"), ("AWS_ENDPOINT_URL", "ftp://x")]);
    assert!(rejected(&config).contains("the environment variable AWS_REGION"));
    config.set_region("eu-west-1").unwrap();
    assert!(rejected(&config).contains("the environment variable AWS_ENDPOINT_URL"));
    config.set_endpoint("http://127.0.0.1:1").unwrap();
    config.resolve().unwrap();
}

#[test]
fn default_region_variable_counts_if_the_other_is_empty() {
    let config = with(&[KEY[0], KEY[1], ("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")]);
    assert_eq!(config.resolve().unwrap().region, "eu-west-1");
}

#[test]
fn reads_region_and_endpoint_of_the_profile_that_the_program_sets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    let text = "[default]\nregion = us-east-1\n[profile work]\nregion = eu-west-1\nendpoint_url = http://work\n[profile bare]\n";
    fs::write(&path, text).unwrap();
    let variables =
        [("AWS_CONFIG_FILE", path.to_str().unwrap()), ("AWS_SHARED_CREDENTIALS_FILE", ""), ("AWS_PROFILE", "nobody")];
    let mut config = Config::new(Environment::from_pairs(variables));
    config.set_credentials("AK", "secret", None).unwrap();
    assert!(rejected(&config).contains("AWS_PROFILE"), "explicit keys do not change the profile");
    config.set_profile("work").unwrap();
    let resolved = config.resolve().unwrap();
    assert_eq!((resolved.region.as_str(), resolved.endpoint.to_string().as_str()), ("eu-west-1", "http://work"));
    config.set_profile("bare").unwrap();
    let text = rejected(&config);
    for word in ["no region is set", "AWS_REGION and AWS_DEFAULT_REGION", "\"bare\"", "line 6 of /", "[default]"] {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
    assert!(config.set_profile("").unwrap_err().message().contains("empty"));
    config.set_profile("absent").unwrap();
    assert!(rejected(&config).contains("\"absent\" (set by the program) does not exist"));
}

#[test]
fn names_all_places_of_a_missing_region() {
    let text = rejected(&with(&KEY));
    for word in ["AWS_REGION", "AWS_DEFAULT_REGION", "profile \"default\"", "AWS_CONFIG_FILE is empty"] {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
    assert!(!text.contains("not inherited"), "the default profile needs no hint: {text}");
    assert!(rejected(&with(&[KEY[0], KEY[1], ("AWS_ENDPOINT_URL", "http://x")])).contains("no region"));
}

#[test]
fn secrets_of_environment_and_profile_do_not_reach_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("credentials");
    fs::write(&path, "[default]\naws_secret_access_key = hush-hush_file\nregion = hush-hush_file\n").unwrap();
    let variables = [("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap()), ("AWS_CONFIG_FILE", "")];
    let of_file = rejected(&Config::new(Environment::from_pairs(variables)));
    let of_environment =
        rejected(&with(&[("AWS_SESSION_TOKEN", "hush-hush_token"), ("AWS_REGION", "hush-hush_token")]));
    for text in [of_file, of_environment] {
        assert!(text.contains("[redacted]") && !text.contains("hush"), "{text}");
    }
}

#[test]
fn debug_output_contains_no_secret() {
    let secret = ("AWS_SECRET_ACCESS_KEY", "hush-hush");
    let config = with(&[KEY[0], secret, ("AWS_REGION", "us-east-1")]);
    assert!(!format!("{config:?} {:?}", config.resolve().unwrap()).contains("hush"));
}
