//! The settings of the trusted certificates, in C and C++ programs whose environment the tests choose.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use glacier_emulator::{Emulator, Options};
use tempfile::TempDir;

use crate::harness::{Build, Outcome, Program, at, succeed};

/// A local Glacier with a private authority, and files with trusted certificates.
struct PrivateAuthority {
    glacier: Emulator,
    directory: TempDir,
    /// The right authority.
    good: PathBuf,
    /// Another authority.
    other: PathBuf,
}

impl PrivateAuthority {
    fn start() -> Self {
        let https = || Emulator::start(Options { tls: true, ..Options::default() }).unwrap();
        let glacier = https();
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = |name: &str, content: &str| {
            fs::create_dir(directory.path().join(name)).unwrap();
            let path = directory.path().join(name).join("ca.pem");
            fs::write(&path, content).unwrap();
            path
        };
        let good = file("good", glacier.ca_pem().unwrap());
        let other = file("other", &fake_authority());
        Self { glacier, directory, good, other }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs the program with these variables and arguments.
    fn run(&self, program: &Program, variables: &[(&str, &OsStr)], arguments: &[&Path]) -> Outcome {
        let mut command = at(program.command(), &self.glacier);
        // No file of the user who runs the tests.
        command.env("HOME", self.directory.path()).env_remove("AWS_CONFIG_FILE");
        succeed(command.envs(variables.iter().copied()).args(arguments))
    }

    /// Writes the config file of the home directory.
    fn set_profile(&self, content: &str) {
        fs::create_dir_all(self.path(".aws")).unwrap();
        fs::write(self.path(".aws/config"), content).unwrap();
    }
}

/// Returns the certificate of an authority whose name differs from that of the local Glacier.
fn fake_authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(["elsewhere".to_owned()]).unwrap().self_signed(&key).unwrap().pem()
}

fn program() -> Program {
    Program::c("tests/c/certificates.c", Build::Plain)
}

fn assert_result(outcome: &Outcome, result: &str, words: &[&str]) {
    assert_eq!(outcome.value("result"), result, "{outcome:?}");
    for word in words {
        assert!(outcome.value("message").contains(word), "{word:?}: {outcome:?}");
    }
}

const OK: &str = "GLACIER_OK";
const TLS: &str = "GLACIER_E_TLS";

#[test]
fn each_setting_trusts_a_private_authority() {
    let (authority, program) = (PrivateAuthority::start(), program());
    let good = authority.good.as_os_str();
    let directory = authority.good.parent().unwrap().as_os_str();
    let several = OsString::from(format!("/missing:{}", directory.to_str().unwrap()));
    for variables in [
        ("AWS_CA_BUNDLE", good),
        ("AWS_CA_BUNDLE", OsStr::new("~/good/ca.pem")),
        ("SSL_CERT_FILE", good),
        ("SSL_CERT_DIR", directory),
        ("SSL_CERT_DIR", &several),
    ] {
        assert_result(&authority.run(&program, &[variables], &[]), OK, &[]);
    }
    assert_result(&authority.run(&program, &[], &[&authority.good]), OK, &[]);
    for content in [
        format!("[default]\nca_bundle = {}\n", authority.good.display()),
        "[default]\nca_bundle = ~/good/ca.pem\n".to_owned(),
    ] {
        authority.set_profile(&content);
        assert_result(&authority.run(&program, &[], &[]), OK, &[]);
    }
    authority.set_profile("[profile work]\nca_bundle = ~/good/ca.pem\n");
    assert_result(&authority.run(&program, &[("AWS_PROFILE", OsStr::new("work"))], &[]), OK, &[]);
}

#[test]
fn each_setting_replaces_those_after_it() {
    let (authority, program) = (PrivateAuthority::start(), program());
    let (good, other) = (authority.good.as_os_str(), authority.other.as_os_str());
    let origin = |setting: &str| format!("its issuer is not in the CA file {} ({setting})", authority.other.display());

    let outcome = authority.run(&program, &[("AWS_CA_BUNDLE", good)], &[&authority.other]);
    assert_result(&outcome, TLS, &[&origin("glacier_config_set_ca_file")]);
    let outcome = authority.run(&program, &[("AWS_CA_BUNDLE", other)], &[&authority.good]);
    assert_result(&outcome, OK, &[]);

    authority.set_profile("[default]\nca_bundle = ~/good/ca.pem\n");
    let outcome = authority.run(&program, &[("AWS_CA_BUNDLE", other)], &[]);
    assert_result(&outcome, TLS, &[&origin("AWS_CA_BUNDLE")]);

    authority.set_profile("[default]\nca_bundle = ~/other/ca.pem\n");
    let place = format!("ca_bundle in line 2 of {}", authority.path(".aws/config").display());
    let outcome = authority.run(&program, &[("SSL_CERT_FILE", good)], &[]);
    assert_result(&outcome, TLS, &[&origin(&place)]);

    fs::remove_file(authority.path(".aws/config")).unwrap();
    let outcome = authority.run(&program, &[("SSL_CERT_FILE", other)], &[]);
    assert_result(&outcome, TLS, &["trust store of the environment", "SSL_CERT_FILE", "/other/ca.pem"]);
    // The machine has a trust store of its own or none.
    let outcome = authority.run(&program, &[], &[]);
    assert_result(&outcome, TLS, &["its issuer is not in the ", "AWS_CA_BUNDLE"]);
}

#[test]
fn names_path_and_setting_of_an_invalid_ca_file() {
    let (authority, program) = (PrivateAuthority::start(), program());
    let (missing, empty) = (authority.path("missing"), authority.path("empty"));
    fs::write(&empty, "").unwrap();
    for (path, result, words) in [
        (&missing, "GLACIER_E_IO", "No such file or directory"),
        (&authority.path("good"), "GLACIER_E_IO", "Is a directory"),
        (&PathBuf::from("/dev/zero"), "GLACIER_E_IO", "it is not a regular file"),
        (&empty, "GLACIER_E_INVALID", "at least one certificate in PEM"),
    ] {
        let outcome = authority.run(&program, &[("AWS_CA_BUNDLE", path.as_os_str())], &[]);
        assert_result(&outcome, result, &[&format!("the CA file {} (AWS_CA_BUNDLE)", path.display()), words]);
        authority.set_profile(&format!("[default]\nca_bundle={}\n", path.display()));
        let outcome = authority.run(&program, &[], &[]);
        assert_result(&outcome, result, &[&format!("the CA file {} (ca_bundle in line 2", path.display()), words]);
        let outcome = authority.run(&program, &[], &[path]);
        assert_result(&outcome, result, &["(glacier_config_set_ca_file)", words]);
    }
    let not_utf8 = OsStr::from_bytes(b"/missing-\xff");
    let outcome = authority.run(&program, &[("AWS_CA_BUNDLE", not_utf8)], &[]);
    assert_result(&outcome, "GLACIER_E_IO", &["AWS_CA_BUNDLE", "No such file or directory"]);
    assert!(authority.glacier.requests().is_empty());
}

#[test]
fn rejects_only_an_empty_aws_ca_bundle() {
    let (authority, program) = (PrivateAuthority::start(), program());
    let good = authority.good.as_os_str();
    let empty = [("AWS_CA_BUNDLE", OsStr::new("")), ("SSL_CERT_FILE", good)];
    assert_result(&authority.run(&program, &empty, &[]), "GLACIER_E_INVALID", &["AWS_CA_BUNDLE is empty"]);
    authority.set_profile("[default]\nca_bundle =\n");
    let outcome = authority.run(&program, &[("SSL_CERT_FILE", good)], &[]);
    assert_result(&outcome, OK, &[]);
    assert_result(&authority.run(&program, &empty, &[&authority.good]), OK, &[]);
    let unset = [("SSL_CERT_FILE", OsStr::new("")), ("SSL_CERT_DIR", authority.good.parent().unwrap().as_os_str())];
    assert_result(&authority.run(&program, &unset, &[]), OK, &[]);
}

#[test]
fn a_named_trust_store_without_certificates_is_an_error() {
    let (authority, program) = (PrivateAuthority::start(), program());
    let (missing, empty) = (authority.path("missing"), authority.path("empty"));
    fs::create_dir(&empty).unwrap();
    for (variable, path, result) in [
        ("SSL_CERT_FILE", &missing, "GLACIER_E_IO"),
        ("SSL_CERT_DIR", &missing, "GLACIER_E_IO"),
        ("SSL_CERT_DIR", &empty, "GLACIER_E_INVALID"),
    ] {
        let outcome = authority.run(&program, &[(variable, path.as_os_str())], &[]);
        assert_result(&outcome, result, &["no trusted certificate can be read", variable, path.to_str().unwrap()]);
    }
}

/// Plain HTTP needs no certificates. A CA file is checked nevertheless, because the program or the user asked for it.
#[test]
fn plain_http_reads_only_a_named_ca_file() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let program = program();
    let missing = OsStr::new("/missing");
    let run = |variable| succeed(program.command_at(&glacier).env(variable, missing));
    assert_result(&run("SSL_CERT_FILE"), OK, &[]);
    assert_result(&run("SSL_CERT_DIR"), OK, &[]);
    assert_result(&run("AWS_CA_BUNDLE"), "GLACIER_E_IO", &["/missing (AWS_CA_BUNDLE)"]);
}

#[test]
fn a_private_authority_works_under_sanitizers() {
    let authority = PrivateAuthority::start();
    let program = Program::c("tests/c/certificates.c", Build::Sanitized);
    assert_result(&authority.run(&program, &[("SSL_CERT_FILE", authority.good.as_os_str())], &[]), OK, &[]);
    assert_result(&authority.run(&program, &[], &[&authority.other]), TLS, &["its issuer is not in the CA file"]);
}

#[test]
fn a_private_authority_works_in_cpp() {
    let authority = PrivateAuthority::start();
    let program = Program::cpp("tests/cpp/certificates.cpp", "c++17", Build::Plain);
    assert_result(&authority.run(&program, &[], &[&authority.good]), OK, &[]);
    assert_result(&authority.run(&program, &[("AWS_CA_BUNDLE", authority.good.as_os_str())], &[]), OK, &[]);
    let outcome = authority.run(&program, &[], &[&authority.other]);
    assert_result(&outcome, TLS, &["its issuer is not in the CA file", "/other/ca.pem"]);
    assert_result(&authority.run(&program, &[], &[&authority.path("missing")]), "GLACIER_E_IO", &["No such file"]);
}
