//! `glacier-mp config`.

use crate::run::{Place, Ran};

#[test]
fn names_the_origin_of_each_setting_and_shows_no_secret() {
    let place = Place::new();
    let ran = place.run(["config", "--region", "eu-west-1", "--proxy", "http://user:hush-hush@proxy.example:3128"]);
    let lines = ran.expect(0);
    let line = |name: &str| *lines.iter().find(|line| line.starts_with(name)).unwrap();
    assert!(line("region").ends_with("eu-west-1  (--region)"), "{lines:?}");
    assert!(line("endpoint").ends_with("(the environment variable AWS_ENDPOINT_URL_GLACIER)"), "{lines:?}");
    assert!(line("credentials").contains("****") && line("credentials").contains("environment"), "{lines:?}");
    assert!(line("state directory").ends_with("(XDG_STATE_HOME)"), "{lines:?}");
    for secret in ["hush-hush", "wJalrXUtnFEMI"] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{ran:?}");
    }
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn takes_settings_from_the_profile() {
    let place = Place::new();
    place.file("config", b"[profile work]\nregion = eu-central-1\n");
    let mut command = place.command(["config", "--profile=work", "--json"]);
    let config = place.directory.path().join("config");
    let output = command.env_remove("AWS_REGION").env("AWS_CONFIG_FILE", config).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("\"region\"")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("eu-central-1") && line.contains("region in line 2 of"), "{line}");
}

#[test]
fn empty_variable_counts_as_not_set() {
    let place = Place::new();
    let run =
        |name: &str, words: &[&str]| Ran::of(place.command(words.iter().copied()).env(name, "").output().unwrap());
    let ran = run("GLACIER_MP_STATE_DIR", &["config"]);
    let line = ran.expect(0).into_iter().find(|line| line.starts_with("state directory")).unwrap();
    assert!(line.contains(place.state().to_str().unwrap()) && line.ends_with("(XDG_STATE_HOME)"), "{line}");
    run("GLACIER_MP_STATE_DIR", &["archives"]).expect(0);
    run("GLACIER_MP_VAULT", &["resume"]).expect(0);
    let ran = run("GLACIER_MP_VAULT", &["list"]);
    assert!(ran.expect(2).is_empty() && ran.stderr.contains("--vault <VAULT>"), "{ran:?}");
    assert!(ran.stderr.contains("the environment variable GLACIER_MP_VAULT also sets the vault"), "{ran:?}");
    run("GLACIER_MP_VAULT", &["list", "--vault=examplevault"]).expect(0);
}

#[test]
fn missing_profile_names_the_option() {
    let place = Place::new();
    let ran = place.run(["config", "--profile=x"]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("profile \"x\" (--profile) does not exist"), "{ran:?}");
    let mut command = place.command(["config"]);
    let ran = Ran::of(command.env("AWS_PROFILE", "x").output().unwrap());
    assert!(ran.stderr.contains("(from the environment variable AWS_PROFILE) does not exist"), "{ran:?}");
}

#[test]
fn messages_name_the_options_that_select_profile_and_endpoint() {
    let place = Place::new();
    place.file("config", b"[profile empty]\nregion = us-east-1\n");
    let config = place.directory.path().join("config");
    let mut command = place.command(["list", "--profile=empty"]);
    command.env("AWS_CONFIG_FILE", &config).env("AWS_EC2_METADATA_DISABLED", "true");
    let ran = Ran::of(command.output().unwrap());
    assert!(ran.expect(1).is_empty(), "{ran:?}");
    assert!(ran.stderr.contains("environment: not used, because --profile selects a profile"), "{ran:?}");
    // No server listens on port 1.
    let ran = place.run(["list", "--max-attempts=2", "--endpoint=http://127.0.0.1:1"]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("the endpoint, which is from --endpoint"), "{ran:?}");
}
