//! The known answers of botocore for region, endpoint, and errors in environment and files (`data/credentials.json`), in a client
//! whose keys the program sets.

use glacier_mp::config::Config;
use glacier_mp::error::{Error, Kind};

use crate::cases::{Case, known_answers, new_directory};

/// The URL in place of the placeholder for a server. Nothing is sent to it.
const SERVER: &str = "http://127.0.0.1:9";

/// The errors of the vectors that need no provider.
const KINDS: [&str; 7] = [
    "ProfileNotFound",
    "ConfigParseError",
    "InvalidConfig",
    "NoRegion",
    "InvalidRegion",
    "InvalidEndpoint",
    "FileError",
];

/// The cases whose error a provider reports.
fn needs_provider(case: &Case) -> bool {
    ["role_", "sso_", "web_identity_", "container_"].iter().any(|prefix| case.name.starts_with(prefix))
}

/// Returns the vectors' name of an error.
fn kind_of(error: &Error) -> &'static str {
    let text = error.message();
    let contains = |words: &[&str]| words.iter().all(|word| text.contains(word));
    match error.kind() {
        Kind::Io if text.starts_with("cannot read") => "FileError",
        Kind::Invalid if contains(&["profile ", " does not exist: "]) => "ProfileNotFound",
        Kind::Invalid if text.starts_with("cannot parse") && contains(&[", line "]) => "ConfigParseError",
        Kind::Invalid if text.starts_with("no region is set") => "NoRegion",
        Kind::Invalid if text.starts_with("region ") && contains(&["is not allowed"]) => "InvalidRegion",
        Kind::Invalid if text.starts_with("endpoint ") && contains(&["is not allowed"]) => "InvalidEndpoint",
        Kind::Invalid => "InvalidConfig",
        _ => "another error",
    }
}

fn cases() -> Vec<Case> {
    let file = known_answers();
    let cases = file["cases"].as_array().unwrap().iter();
    cases.map(|case| Case::new(case, &file["default_env"], new_directory(), SERVER)).collect()
}

fn config_of(case: &Case) -> Config {
    let mut config = case.config().unwrap();
    config.set_credentials("AKIDTEST", "secret-test", None).unwrap();
    config
}

#[test]
fn resolves_region_and_endpoint_as_the_known_answers() {
    let mut count = 0;
    for case in cases().iter().filter(|case| case.expected("error").is_none()) {
        let resolved = config_of(case).resolve().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(Some(resolved.region.as_str()), case.expected("region").as_deref(), "{}", case.name);
        assert_eq!(Some(resolved.endpoint.to_string()), case.expected("endpoint_url"), "{}", case.name);
        count += 1;
    }
    assert_eq!(count, 134);
}

#[test]
fn rejects_environment_and_files_as_the_known_answers() {
    // A file with mode 000 is readable for the superuser.
    let (mut count, mut skipped) = (0, 0);
    for case in cases() {
        let Some(expected) = case.expected("error").filter(|error| KINDS.contains(&error.as_str())) else { continue };
        if needs_provider(&case) {
            continue;
        }
        if case.has_readable_secret() {
            skipped += 1;
            continue;
        }
        let error = config_of(&case).resolve().map(|_| ()).expect_err(&case.name);
        assert_eq!(kind_of(&error), expected, "{}: {error}", case.name);
        count += 1;
    }
    assert_eq!(count + skipped, 29);
}
