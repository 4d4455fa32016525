//! Where the trusted certificates come from: CA files and the trust store of the system.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use glacier_mp::error::{Error, Kind, Result};
use glacier_mp::http::{CaFile, Network, NetworkSettings, SystemStore, Transport, TrustStore};
use glacier_mp::log::{Level, Log};
use tempfile::TempDir;

use crate::client::{context, settings};
use crate::server::{Server, always, certificate};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A log at the level debug whose lines the test reads.
fn captured_log() -> (Arc<Log>, impl Fn() -> Vec<String>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&lines);
    let sink = move |_, line: &std::ffi::CStr| into.lock().unwrap().push(line.to_str().unwrap().to_owned());
    let log = Arc::new(Log::new(Level::Debug, Some(Box::new(sink))));
    let deliver = Arc::clone(&log);
    (log, move || {
        deliver.deliver();
        lines.lock().unwrap().clone()
    })
}

/// Opens a connection to a server with these trusted certificates.
fn open(server: &Server, trust: TrustStore) -> Result<()> {
    let settings = settings(server);
    let network = Network::new(NetworkSettings {
        user_agent: String::new(),
        trust,
        connect_timeout: settings.connect_timeout,
        stall_timeout: settings.stall_timeout,
        proxies: glacier_mp::http::ProxyRules::default(),
    });
    network?.transport(&settings.endpoint)?.connection().open(&context())
}

fn open_with_system(server: &Server, system: SystemStore) -> Result<()> {
    open(server, TrustStore::of_system(system, Arc::new(Log::off())))
}

fn at_file(path: impl Into<PathBuf>) -> SystemStore {
    SystemStore::at(Some(path.into()), vec![])
}

fn at_directory(path: impl Into<PathBuf>) -> SystemStore {
    SystemStore::at(None, vec![path.into()])
}

fn pem(server: &Server) -> &str {
    server.ca_pem.as_deref().unwrap()
}

fn read(path: &Path) -> Result<TrustStore> {
    TrustStore::of_ca_file(CaFile::new(path, "AWS_CA_BUNDLE"), Arc::new(Log::off()))
}

fn assert_contains(error: &Error, words: &[&str]) {
    for word in words {
        assert!(error.message().contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn trusts_a_file_and_directories_of_the_system() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("ca.pem");
    fs::write(&file, certificate("elsewhere").1 + pem(&server)).unwrap();
    open_with_system(&server, at_file(&file)).unwrap();
    open_with_system(&server, at_directory(directory.path())).unwrap();

    let empty = TempDir::new().unwrap();
    let several = vec![empty.path().join("missing"), empty.path().to_owned(), directory.path().to_owned()];
    open_with_system(&server, SystemStore::at(None, several)).unwrap();
    open_with_system(&server, SystemStore::at(Some(file), vec![directory.path().to_owned()])).unwrap();
}

/// `openssl rehash` and `update-ca-certificates` fill directories with links.
#[test]
fn follows_the_links_of_a_certificate_directory() {
    let server = Server::tls(always(OK));
    let (directory, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = elsewhere.path().join("ca.crt");
    fs::write(&file, pem(&server)).unwrap();
    symlink(&file, directory.path().join("ca.pem")).unwrap();
    symlink("ca.pem", directory.path().join("0a1b2c3d.0")).unwrap();
    symlink("missing", directory.path().join("4e5f6a7b.0")).unwrap();
    open_with_system(&server, at_directory(directory.path())).unwrap();
}

#[test]
fn the_system_store_replaces_the_built_in_authorities() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("other.pem"), certificate("elsewhere").1).unwrap();
    let error = open_with_system(&server, at_directory(directory.path())).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    let origin = format!("not in the trust store of the system ({})", directory.path().display());
    assert_contains(&error, &[&origin, "add this certificate there", "glacier_config_set_ca_file", "AWS_CA_BUNDLE"]);
}

/// A container without the package ca-certificates may have the directory, but nothing in it.
#[test]
fn uses_the_built_in_authorities_if_the_system_has_no_certificate() {
    let server = Server::tls(always(OK));
    let empty = TempDir::new().unwrap();
    fs::write(empty.path().join("README"), "no certificate").unwrap();
    for system in [SystemStore::default(), at_directory(empty.path())] {
        let (log, lines) = captured_log();
        let error = open(&server, TrustStore::of_system(system, log)).unwrap_err();
        assert_contains(&error, &["not in the built-in list of public certificate authorities", "has no trust store"]);
        assert!(lines()[0].contains(" in the built-in list of public certificate authorities"), "{:?}", lines());
    }
}

/// The built-in authorities would be others than those that the user chose. OpenSSL trusts nothing then.
#[test]
fn a_named_store_without_certificates_is_an_error() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    let (file, missing) = (directory.path().join("file"), directory.path().join("missing"));
    let empty = directory.path().join("empty");
    fs::write(&file, "no certificate").unwrap();
    fs::create_dir(&empty).unwrap();
    for (file, directories, kind, words) in [
        (Some(&file), None, Kind::Invalid, ["SSL_CERT_FILE", "/file)", "at least one certificate in PEM"]),
        (Some(&missing), None, Kind::Io, ["SSL_CERT_FILE", "/missing: ", "No such file"]),
        (Some(&empty), None, Kind::Io, ["SSL_CERT_FILE", "/empty: ", "not a regular file"]),
        (None, Some(&empty), Kind::Invalid, ["SSL_CERT_DIR", "/empty)", "at least one certificate in PEM"]),
        (None, Some(&missing), Kind::Io, ["SSL_CERT_DIR", "/missing: ", "No such file"]),
        (Some(&missing), Some(&empty), Kind::Io, ["SSL_CERT_FILE", "SSL_CERT_DIR", "correct or unset"]),
    ] {
        let system = SystemStore::locate(file.map(|path| path.as_os_str()), directories.map(|path| path.as_os_str()));
        let error = open_with_system(&server, system).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_contains(&error, &words);
        assert_contains(&error, &["glacier_config_set_ca_file"]);
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn names_the_variables_of_a_store_without_the_issuer() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("ca.pem");
    fs::write(&file, certificate("elsewhere").1).unwrap();
    let several = [b"/missing::".to_vec(), directory.path().as_os_str().as_bytes().to_vec()].concat();
    for (file, directories, origin) in [
        (Some(file.as_os_str()), None, format!("(SSL_CERT_FILE {})", file.display())),
        (None, Some(OsStr::from_bytes(&several)), format!("SSL_CERT_DIR {})", directory.path().display())),
    ] {
        let error = open_with_system(&server, SystemStore::locate(file, directories)).unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{error}");
        assert_contains(&error, &["not in the trust store of the environment (", &origin]);
    }
}

#[test]
fn skips_and_logs_certificates_of_the_system_that_cannot_be_used() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    let not_x509 = "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n";
    let not_base64 = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    fs::write(directory.path().join("bad.pem"), format!("{not_x509}{not_base64}")).unwrap();
    fs::write(directory.path().join("good.pem"), pem(&server)).unwrap();
    let (log, lines) = captured_log();
    open(&server, TrustStore::of_system(at_directory(directory.path()), log)).unwrap();
    let lines = lines();
    let origin = format!("the trust store of the system ({})", directory.path().display());
    assert!(lines[0].starts_with(&format!("trusted certificates: 1 in {origin}, loaded in ")), "{lines:?}");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with(": an entry is not Base64")), "{lines:?}");
    // The beginning of the SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` shows it.
    assert!(
        lines
            .iter()
            .any(|line| line.contains("skipped: the certificate with the SHA-256 559aead08264d579...: it is not")),
        "{lines:?}"
    );
}

#[test]
fn a_system_store_that_cannot_be_read_is_an_error() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("bad.pem"), "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n")
        .unwrap();
    let error = open_with_system(&server, at_directory(directory.path())).unwrap_err();
    assert_eq!(error.kind(), Kind::Io, "{error}");
    assert_contains(&error, &["no trusted certificate can be read", "repair it", "AWS_CA_BUNDLE"]);
}

#[test]
fn loads_the_system_store_once_and_only_for_https() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("ca.pem");
    let (plain, server) = (Server::plain(always(OK)), Server::tls(always(OK)));
    let (log, lines) = captured_log();
    let trust = TrustStore::of_system(at_file(&file), log);
    open(&plain, trust.clone()).unwrap();
    // A failed load is repeated.
    assert_eq!(open(&server, trust.clone()).unwrap_err().kind(), Kind::Io);
    fs::write(&file, pem(&server)).unwrap();
    open(&server, trust.clone()).unwrap();
    fs::remove_file(&file).unwrap();
    open(&server, trust.clone()).unwrap();
    assert_eq!(lines().len(), 1, "{:?}", lines());
}

#[test]
fn rejects_special_and_huge_files() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    let huge = directory.path().join("huge.pem");
    let good = directory.path().join("good.pem");
    // The file is sparse.
    File::create(&huge).unwrap().set_len((16 << 20) + 1).unwrap();
    fs::write(&good, pem(&server)).unwrap();
    let fifo = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, kind, words) in [
        (Path::new("/dev/zero"), Kind::Io, "it is not a regular file"),
        (&fifo, Kind::Io, "it is not a regular file"),
        (directory.path(), Kind::Io, "Is a directory"),
        (&huge, Kind::Invalid, "it is larger than 16777216 bytes (16 MiB)"),
    ] {
        let error = read(path).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_contains(&error, &["the CA file", &path.display().to_string(), "(AWS_CA_BUNDLE)", words]);
    }
    for system in [at_file("/dev/zero"), at_file(&fifo), at_file(&huge), at_directory(directory.path())] {
        let error = open_with_system(&server, system).unwrap_err();
        assert_eq!(error.kind(), Kind::Io, "{error}");
    }
    fs::remove_file(&huge).unwrap();
    open_with_system(&server, at_directory(directory.path())).unwrap();
}

/// A CA file is what the user chose, so each of its certificates must be valid.
#[test]
fn rejects_a_ca_file_with_an_invalid_certificate() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("ca.pem");
    for (content, words) in [
        ("", "must contain at least one certificate in PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n",
            "its certificate 2 is not a well-formed X.509 certificate",
        ),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "it is not PEM: an entry is not Base64"),
        ("-----BEGIN CERTIFICATE-----\nQQ==\n", "it is not PEM: an entry has no line -----END CERTIFICATE-----"),
        ("-----BEGIN CERTIFICATE\nQQ==\n", "it is not PEM: a line begins with -----BEGIN, but does not end with -----"),
    ] {
        let before = if content.is_empty() { "" } else { pem(&server) };
        fs::write(&path, format!("{before}{content}")).unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
        assert_contains(&error, &["ca.pem (AWS_CA_BUNDLE) is not allowed", words]);
    }
}

/// The file is read when it is named, so a later change of it has no effect.
#[test]
fn reads_a_ca_file_once() {
    let server = Server::tls(always(OK));
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("ca.pem");
    fs::write(&path, pem(&server)).unwrap();
    let trust = read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    open(&server, trust).unwrap();
}
