use std::fs;

use tempfile::TempDir;

use super::*;
use crate::error::Kind;

/// Settings in a config file and in variables.
struct Fixture {
    _directory: TempDir,
    environment: Environment,
    profiles: Profiles,
}

fn fixture(config: &str, variables: &[(&str, &str)]) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    fs::write(&path, config).unwrap();
    let files = [("AWS_CONFIG_FILE", path.to_str().unwrap()), ("AWS_SHARED_CREDENTIALS_FILE", "")];
    let environment = Environment::from_pairs(files.into_iter().chain(variables.iter().copied()));
    let profiles = Profiles::load(&environment, None).unwrap();
    Fixture { _directory: directory, environment, profiles }
}

impl Fixture {
    fn find(&self, service: AwsService, explicit: Option<&str>) -> Result<String> {
        let endpoint = find_endpoint(service, "us-east-1", explicit, &self.environment, &self.profiles)?;
        Ok(endpoint.to_string())
    }

    fn glacier(&self) -> String {
        self.find(AwsService::Glacier, None).unwrap()
    }

    #[track_caller]
    fn assert_rejected(&self, explicit: Option<&str>, words: &[&str]) {
        let error = self.find(AwsService::Glacier, explicit).expect_err("must be rejected");
        assert_eq!(error.kind(), Kind::Invalid);
        for word in words {
            assert!(error.message().contains(word), "{word:?} is not in {error}");
        }
    }
}

const CONFIG: &str = "[default]
services = local
endpoint_url = http://profile
[services local]
glacier =
  endpoint_url = http://services
sts =
  region = x
";
const OF_SERVICE: (&str, &str) = ("AWS_ENDPOINT_URL_GLACIER", "http://service");
const COMMON: (&str, &str) = ("AWS_ENDPOINT_URL", "http://common");
const REGIONAL: &str = "https://glacier.us-east-1.amazonaws.com";

#[test]
fn each_setting_overrides_the_next() {
    let all = fixture(CONFIG, &[COMMON, OF_SERVICE]);
    assert_eq!(all.find(AwsService::Glacier, Some("http://explicit")).unwrap(), "http://explicit");
    assert_eq!(all.glacier(), "http://service");
    assert_eq!(fixture(CONFIG, &[COMMON]).glacier(), "http://common");
    assert_eq!(fixture(CONFIG, &[("AWS_ENDPOINT_URL", "")]).glacier(), "http://services");
    assert_eq!(fixture("[default]\nendpoint_url = http://profile\n", &[]).glacier(), "http://profile");
    assert_eq!(fixture("", &[]).glacier(), REGIONAL);
}

#[test]
fn other_services_have_their_own_variable_and_block() {
    let sts = |fixture: Fixture| fixture.find(AwsService::Sts, None).unwrap();
    assert_eq!(sts(fixture(CONFIG, &[OF_SERVICE, ("AWS_ENDPOINT_URL_STS", "http://sts")])), "http://sts");
    assert_eq!(sts(fixture(CONFIG, &[COMMON])), "http://common");
    assert_eq!(sts(fixture(CONFIG, &[OF_SERVICE])), "http://profile", "its block has no URL");
    assert_eq!(sts(fixture("", &[])), "https://sts.us-east-1.amazonaws.com");
    let environment =
        Arc::new(Environment::from_pairs([("AWS_ENDPOINT_URL_SSO", "http://sso"), ("AWS_CONFIG_FILE", "")]));
    let profiles = Arc::new(Profiles::load(&environment, None).unwrap());
    let endpoints = ServiceEndpoints::new("eu-west-1", environment, profiles);
    assert_eq!(endpoints.sso_portal("us-east-1").unwrap().to_string(), "http://sso");
    assert_eq!(endpoints.sts().unwrap().to_string(), "https://sts.eu-west-1.amazonaws.com");
}

#[test]
fn configured_urls_can_be_ignored() {
    const IGNORE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
    let ignored = fixture(CONFIG, &[COMMON, OF_SERVICE, (IGNORE, "True")]);
    assert_eq!(ignored.glacier(), REGIONAL);
    assert_eq!(ignored.find(AwsService::Glacier, Some("http://explicit")).unwrap(), "http://explicit");
    let config = "[default]\nignore_configured_endpoint_urls = true\n";
    assert_eq!(fixture(config, &[COMMON]).glacier(), REGIONAL);
    assert_eq!(fixture(config, &[COMMON, (IGNORE, "false")]).glacier(), "http://common");
    fixture("", &[(IGNORE, "yes")]).assert_rejected(None, &[IGNORE, "\"yes\"", "true or false"]);
}

#[test]
fn variable_overrides_flag_of_profile() {
    let config = "[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = TRUE\n";
    assert_eq!(fixture(config, &[]).glacier(), "https://glacier-fips.us-east-1.api.aws");
    let variables = [("AWS_USE_FIPS_ENDPOINT", "false"), ("AWS_USE_DUALSTACK_ENDPOINT", "")];
    assert_eq!(fixture(config, &variables).glacier(), "https://glacier.us-east-1.api.aws");
}

#[test]
fn flags_are_true_or_false_even_with_an_explicit_endpoint() {
    fixture("", &[("AWS_USE_FIPS_ENDPOINT", "1")]).assert_rejected(None, &["AWS_USE_FIPS_ENDPOINT", "\"1\""]);
    let wrong = fixture("[default]\nuse_dualstack_endpoint = on\n", &[]);
    wrong.assert_rejected(Some("http://x"), &["use_dualstack_endpoint in line 2 of /", "\"on\"", "true or false"]);
}

#[test]
fn variants_are_rejected_with_a_custom_endpoint() {
    let fips = ("AWS_USE_FIPS_ENDPOINT", "true");
    fixture("", &[fips, COMMON]).assert_rejected(None, &[fips.0, "AWS_ENDPOINT_URL", "http://common", "remove one"]);
    fixture("", &[fips]).assert_rejected(Some("http://explicit"), &["FIPS", "http://explicit"]);
    fixture(CONFIG, &[("AWS_USE_DUALSTACK_ENDPOINT", "true")]).assert_rejected(None, &["dual-stack", "line 6 of /"]);
}

#[test]
fn services_section_must_exist_and_have_a_block() {
    let missing = "[default]\nservices = absent\n";
    fixture(missing, &[]).assert_rejected(None, &["line 2 of /", "[services absent]", "add it"]);
    assert_eq!(fixture(missing, &[COMMON]).glacier(), "http://common", "the section is not needed");
    let flat = "[default]\nservices = x\n[services x]\nglacier = http://services\n";
    fixture(flat, &[]).assert_rejected(None, &["glacier in line 4 of /", "write \"glacier =\"", "endpoint_url"]);
    let not_indented = "[default]\nservices = x\n[services x]\nglacier =\nendpoint_url = http://services\n";
    fixture(not_indented, &[]).assert_rejected(None, &["glacier in line 4 of /", "indented lines"]);
    let empty = "[default]\nservices = x\n[services x]\n";
    fixture(empty, &[]).assert_rejected(None, &["services in line 2 of /", "line 3 of /", "has no key"]);
    let other = "[default]\nservices = x\n[services x]\nsts =\n  endpoint_url = http://sts\n";
    assert_eq!(fixture(other, &[]).glacier(), REGIONAL);
}

#[test]
fn invalid_url_names_its_place() {
    fixture("", &[("AWS_ENDPOINT_URL", "glacier.example")])
        .assert_rejected(None, &["endpoint \"glacier.example\"", "the environment variable AWS_ENDPOINT_URL"]);
    fixture("[default]\nendpoint_url = ftp://x\n", &[]).assert_rejected(None, &["endpoint_url in line 2 of /"]);
    let error =
        fixture("", &[("AWS_ENDPOINT_URL", "http://me:hunter2@x")]).find(AwsService::Glacier, None).unwrap_err();
    assert!(!error.message().contains("hunter2"), "{error}");
}
