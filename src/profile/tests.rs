use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::error::Kind;

/// A directory with both files, and an environment that names them.
struct Fixture {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

impl Fixture {
    fn new(config: &str, credentials: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let variables =
            [("AWS_CONFIG_FILE", "config", config), ("AWS_SHARED_CREDENTIALS_FILE", "credentials", credentials)].map(
                |(variable, name, text)| {
                    let path = directory.path().join(name);
                    if !text.is_empty() {
                        fs::write(&path, text).unwrap();
                    }
                    (variable.to_owned(), path.to_str().unwrap().to_owned())
                },
            );
        Self { directory, variables: variables.into() }
    }

    fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.retain(|(name, _)| name != variable);
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn load(&self, by_program: Option<&str>) -> Result<Profiles> {
        Profiles::load(&Environment::from_pairs(self.variables.clone()), by_program)
    }

    fn profiles(&self) -> Profiles {
        self.load(None).unwrap()
    }
}

fn message(result: Result<Profiles>) -> String {
    let error = result.expect_err("must fail");
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
    error.to_string()
}

#[test]
fn credentials_file_overrides_config_file() {
    let profiles =
        Fixture::new("[default]\nregion = a\noutput = json\nempty = x\n", "[default]\nregion = b\nempty =\n")
            .profiles();
    let profile = profiles.selected();
    assert_eq!((profile.get("region"), profile.get("output"), profile.get("absent")), (Some("b"), Some("json"), None));
    assert_eq!(profile.get("empty"), Some("x"), "an empty value counts as none");
    let region = profile.setting("region").unwrap().unwrap();
    assert_eq!((region.line, region.file.file_name().unwrap().to_str()), (2, Some("credentials")));
    assert!(region.to_string().starts_with("region in line 2 of /"), "{region}");
}

#[test]
fn access_keys_are_of_one_file() {
    let config = "[default]\naws_secret_access_key = s1\naws_session_token = t1\n";
    let fixture = Fixture::new(config, "[default]\naws_access_key_id = AK\naws_security_token = t3\n");
    let profiles = fixture.profiles();
    let values = |keys: KeySettings<'_>| {
        [keys.access_key_id, keys.secret_access_key, keys.session_token]
            .map(|setting| setting.map(|setting| setting.value.to_owned()))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(values(profiles.selected().credentials_file_keys()), [some("AK"), None, some("t3")]);
    assert_eq!(values(profiles.selected().config_file_keys()), [None, some("s1"), some("t1")]);
}

#[test]
fn session_token_overrides_security_token() {
    let profiles = Fixture::new("", "[default]\naws_security_token = old\naws_session_token = new\n").profiles();
    assert_eq!(profiles.selected().credentials_file_keys().session_token.map(|token| token.value), Some("new"));
}

#[test]
fn finds_where_a_missing_key_was_absorbed() {
    let profiles = Fixture::new("", "[default]\naws_access_key_id = AK\n  AWS_SECRET_ACCESS_KEY = s\n").profiles();
    let section = profiles.selected().credentials_section().unwrap();
    let absorbed = section.absorbed("aws_secret_access_key").unwrap();
    assert_eq!((absorbed.key_above, absorbed.line), ("aws_access_key_id", 3));
    assert!(absorbed.to_string().contains("remove the indentation"), "{absorbed}");
    assert_eq!(section.absorbed("region"), None);
}

#[test]
fn config_file_headers_name_profiles_as_in_the_aws_cli() {
    for (header, name) in [
        ("[default]", Some("default")),
        ("[profile default]", Some("default")),
        ("[profile work]", Some("work")),
        ("[profile \t work \t]", Some("work")),
        ("[profile \"my work\"]", Some("my work")),
        ("[profile 'my work']", Some("my work")),
        ("[profile my\\ work]", Some("my work")),
        ("[profiles work]", Some("work")),
        ("[profile my work]", None),
        ("[profile]", None),
        ("[profile \"work]", None),
        ("[ profile work]", None),
        ("[Profile work]", None),
        ("[work]", None),
        ("[default ]", None),
        ("[plugins]", None),
    ] {
        let profiles = Fixture::new(&format!("{header}\nregion = x\n"), "").profiles();
        assert_eq!(profiles.names(), name.into_iter().collect::<Vec<_>>(), "{header}");
    }
}

#[test]
fn credentials_file_headers_are_literal() {
    let text = "[profile work]\n[ default]\n[a b]\n[sso-session x]\n[DEFAULT]\n";
    assert_eq!(Fixture::new("", text).profiles().names(), [" default", "a b", "profile work", "sso-session x"]);
}

#[test]
fn later_spelling_replaces_earlier_one() {
    let fixture = Fixture::new("[default]\nregion = a\noutput = json\n[profile default]\nregion = b\n", "");
    let profiles = fixture.profiles();
    assert_eq!((profiles.selected().get("region"), profiles.selected().get("output")), (Some("b"), None));
    let fixture = Fixture::new("[profile \"w\"]\nregion = a\n[profile w]\nregion = b\n", "").with("AWS_PROFILE", "w");
    assert_eq!(fixture.profiles().selected().get("region"), Some("b"));
}

#[test]
fn finds_sso_sessions_and_services_in_config_file_only() {
    let config = "[sso-session corp]\nsso_region = x\n[services 'my local']\nglacier =\n  endpoint_url = http://a\n  endpoint_url = \
                  http://b\n  region =\ns3 = flat\n";
    let profiles = Fixture::new(config, "[services other]\nk = v\n").profiles();
    let session = profiles.sso_session("corp").unwrap();
    assert_eq!((session.get("sso_region"), session.line(), session.name()), (Some("x"), 1, "corp"));
    let services = profiles.services("my local").unwrap();
    let block = services.block("glacier").unwrap();
    let url = block.setting("endpoint_url").unwrap();
    assert_eq!((url.value, url.line, block.line), ("http://b", 6, 4));
    assert!(block.setting("region").is_none(), "an empty value counts as none");
    assert!(block.setting("Endpoint_URL").is_none(), "keys of a block are case-sensitive");
    assert!(services.block("s3").is_none() && services.get("glacier").is_none());
    assert_eq!(services.get("s3"), Some("flat"));
    assert!(profiles.services("other").is_none());
    assert!(profiles.names().contains(&"services other"));
}

#[test]
fn program_overrides_variables_and_aws_profile_overrides_aws_default_profile() {
    let text = "[default]\n[a]\n[b]\n[c]\n";
    let fixture = Fixture::new("", text).with("AWS_PROFILE", "").with("AWS_DEFAULT_PROFILE", "c");
    let selection = |profiles: &Profiles| (profiles.selected().name().to_owned(), profiles.selected_by());
    assert_eq!(selection(&fixture.profiles()), ("c".to_owned(), SelectedBy::Variable("AWS_DEFAULT_PROFILE")));
    let fixture = fixture.with("AWS_PROFILE", "b");
    assert_eq!(selection(&fixture.profiles()), ("b".to_owned(), SelectedBy::Variable("AWS_PROFILE")));
    assert_eq!(selection(&fixture.load(Some("a")).unwrap()), ("a".to_owned(), SelectedBy::Program));
    assert_eq!(selection(&Fixture::new("", text).profiles()), ("default".to_owned(), SelectedBy::Default));
}

#[test]
fn missing_profile_is_an_error_only_if_it_was_selected() {
    assert!(Fixture::new("", "").profiles().selected().get("region").is_none());
    let fixture = Fixture::new("[profile a]\n", "[b]\n[default]\n").with("AWS_PROFILE", "nobody");
    let text = message(fixture.load(None));
    for word in ["\"nobody\"", "variable AWS_PROFILE", "has only [profile a]", "has only [b], [default]"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let text = message(Fixture::new("", "").load(Some("default")));
    assert!(text.contains("set by the program") && text.contains("/config does not exist"), "{text}");
}

#[test]
fn names_the_missing_prefix_of_a_config_section() {
    let text = message(Fixture::new("[work]\n", "").load(Some("work")));
    assert!(text.contains("write \"[profile work]\" instead of [work]"), "{text}");
}

#[test]
fn parse_error_names_file_and_line_even_if_the_file_is_not_needed() {
    let fixture = Fixture::new("[default]\nregion\n", "[default]\naws_access_key_id = AK\n");
    let text = message(fixture.load(None));
    let place = format!("{}, line 2:", fixture.path("config").display());
    assert!(text.contains(&place) && text.contains("no \"=\""), "{text}");
}

#[test]
fn directories_devices_and_missing_files_count_as_no_file() {
    let fixture = Fixture::new("", "").with("AWS_CONFIG_FILE", "/dev/null");
    fs::create_dir(fixture.path("credentials")).unwrap();
    let profiles = fixture.profiles();
    let states = [FileKind::Config, FileKind::Credentials].map(|kind| profiles.file_state(kind));
    assert_eq!(states, [FileState::NotRegular; 2]);
    let fixture = fixture.with("AWS_CONFIG_FILE", "/dev/null/config").with("AWS_SHARED_CREDENTIALS_FILE", "");
    let profiles = fixture.profiles();
    let states = [FileKind::Config, FileKind::Credentials].map(|kind| profiles.file_state(kind));
    assert_eq!(states, [FileState::Missing, FileState::Disabled]);
    assert!(profiles.files_summary().contains("AWS_SHARED_CREDENTIALS_FILE is empty"), "{}", profiles.files_summary());
}

#[test]
fn unreadable_file_is_an_error_that_names_it() {
    let fixture = Fixture::new("", "");
    let path = fixture.path("credentials");
    // The superuser can read every file, but not a symbolic link to itself.
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let error = fixture.load(None).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    for word in [path.to_str().unwrap(), "AWS_SHARED_CREDENTIALS_FILE"] {
        assert!(error.message().contains(word), "{error}");
    }
}

#[test]
fn rejects_a_huge_file() {
    let fixture = Fixture::new("[default]\n", "");
    fs::File::options().write(true).open(fixture.path("config")).unwrap().set_len((4 << 20) + 1).unwrap();
    let error = fixture.load(None).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.message().contains("larger than 4194304 bytes"), "{error}");
}

#[test]
fn reads_the_default_paths_in_the_home_directory() {
    let fixture = Fixture::new("", "");
    fs::create_dir(fixture.path(".aws")).unwrap();
    fs::write(fixture.path(".aws/config"), "[default]\nregion = home\n").unwrap();
    let home = fixture.directory.path().to_str().unwrap();
    let environment = Environment::from_pairs([("HOME", home)]);
    let profiles = Profiles::load(&environment, None).unwrap();
    assert_eq!(profiles.selected().get("region"), Some("home"));
    assert_eq!(profiles.path(FileKind::Credentials).unwrap(), fixture.path(".aws/credentials"));
    let environment = Environment::from_pairs([("HOME", home), ("AWS_CONFIG_FILE", "~/.aws/config")]);
    assert_eq!(Profiles::load(&environment, None).unwrap().selected().get("region"), Some("home"));
    let environment = Environment::from_pairs([("HOME", home), ("AWS_CONFIG_FILE", "$HOME/.aws/config")]);
    assert_eq!(Profiles::load(&environment, None).unwrap().selected().get("region"), None);
}

#[test]
fn reload_reads_the_same_paths_again() {
    let fixture = Fixture::new("", "[default]\n[a]\naws_access_key_id = one\n");
    let profiles = fixture.load(Some("a")).unwrap();
    fs::write(fixture.path("credentials"), "[a]\naws_access_key_id = two\n").unwrap();
    let key = |profiles: &Profiles| profiles.selected().get("aws_access_key_id").map(str::to_owned);
    assert_eq!(key(&profiles).as_deref(), Some("one"));
    let reloaded = profiles.reload().unwrap();
    assert_eq!(key(&reloaded).as_deref(), Some("two"));
    assert_eq!(reloaded.selected_by(), SelectedBy::Program);
    fs::write(fixture.path("credentials"), "[b]\n").unwrap();
    assert!(message(profiles.reload()).contains("\"a\""));
}

#[test]
fn debug_output_contains_no_value() {
    let profiles = Fixture::new("[default]\ns3 =\n  token = hush-1\n", "[default]\nsecret = hush-2\n").profiles();
    let setting = profiles.selected().setting("secret").unwrap().unwrap();
    let block = profiles.selected().config_section().unwrap().block("s3").unwrap();
    let text = format!("{profiles:?} {setting:?} {setting} {block:?} {:?}", block.setting("token"));
    assert!(!text.contains("hush"), "{text}");
}
