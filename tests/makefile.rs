//! The scripts of the Makefile on machines without some tools.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

#[test]
fn prerequisites_prints_the_command_that_installs_what_is_missing() {
    let tools = Tools::new(&[]);
    for program in ["cargo", "rustc"] {
        tools.script(program, concat!("echo program ", env!("CARGO_PKG_RUST_VERSION")));
    }
    for (target, missing) in [
        ("demo", &["a C compiler"][..]),
        ("test", &["a C compiler", "gcc", "g++", "clang", "clang++", "valgrind", "venv"]),
        ("check", &["a C compiler", "gcc", "g++", "clang", "clang++", "nm and readelf", "clang-format 14"]),
        ("test-install", &["cmake", "meson", "pkg-config"]),
        ("abi", &["abidw and abidiff"]),
        ("deb", &["debhelper 13", "lintian"]),
    ] {
        let output = tools.prerequisites(target);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = text(&output.stderr);
        for name in missing {
            assert!(said.contains(name), "{name} is not in {said}");
        }
        assert_eq!(said.lines().count(), 2, "{said}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn prerequisites_requires_the_minimum_rust_version() {
    let tools = Tools::new(&[]);
    let output = tools.prerequisites("demo");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("install Rust"), "{output:?}");

    for (version, accepted) in [("1.9.1", false), ("1.88.0", false), (env!("CARGO_PKG_RUST_VERSION"), true)] {
        for program in ["cargo", "rustc"] {
            tools.script(program, &format!("echo {program} {version} '(0123456 2025-01-01)'"));
        }
        let output = tools.prerequisites("demo");
        let is_old = text(&output.stderr).contains(&format!("cargo is {version}: run rustup update"));
        assert_eq!(is_old, !accepted, "{version}: {output:?}");
    }
}

/// The Rust tests of a fresh machine find each program that they run: it is part of a bare Debian system, or
/// scripts/prerequisites asks for it before it runs tests.
#[test]
fn prerequisites_ask_for_every_program_of_the_tests() {
    const BARE_SYSTEM: [&str; 4] = ["env", "make", "mkfifo", "sh"];
    // A test that uses mandoc if it is installed, and the tests of make test-install.
    const NOT_ALWAYS: [&str; 4] = ["mandoc", "cmake", "meson", "pkg-config"];
    let script = fs::read_to_string(root().join("scripts/prerequisites")).unwrap();
    let (_, needs) = script.split_once("need_for_header_tests() {").unwrap();
    let (needs, _) = needs.split_once("has_c_for_aarch64()").unwrap();
    let words: Vec<_> = needs.split(|c: char| !c.is_ascii_alphanumeric() && !"+-_./".contains(c)).collect();
    let mut sources = Vec::new();
    for directory in ["tests", "cli"] {
        rust_files(&root().join(directory), &mut sources);
    }
    let mut programs = 0;
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        for call in text.split("Command::new(\"").skip(1) {
            let program = call.split('"').next().unwrap();
            let asked = words.windows(2).any(|pair| pair == ["has", program] || pair == ["-x", program]);
            let known = BARE_SYSTEM.contains(&program) || NOT_ALWAYS.contains(&program);
            assert!(asked || known, "{}: {program}", source.display());
            programs += 1;
        }
    }
    assert!(programs > 10, "only {programs} programs found");
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn help_names_every_target() {
    let output = Command::new("make").args(["--no-print-directory", "help"]).current_dir(root()).output().unwrap();
    let named: Vec<_> = text(&output.stdout).lines().filter_map(|line| line.split_whitespace().next()).collect();
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let checked = makefile.lines().filter(|line| line.starts_with("CHECKED "));
    let targets = checked.flat_map(|line| line.split_once('=').unwrap().1.split_whitespace());
    let missing: Vec<_> = targets.filter(|target| !named.contains(target)).collect();
    assert!(output.status.success() && missing.is_empty(), "{missing:?} of {output:?}");
}

/// The commands of make contain the directories between double quotes.
#[test]
fn directories_with_characters_that_a_shell_replaces_are_rejected() {
    let place = TempDir::new().unwrap();
    fs::copy(root().join("Makefile"), place.path().join("Makefile")).unwrap();
    let help = |directory: &Path, variable: Option<(&str, &str)>| {
        let mut command = Command::new("make");
        command.args(["--no-print-directory", "-f"]).arg(place.path().join("Makefile")).arg("help");
        command
            .args(variable.map(|(name, value)| format!("{name}={}", value.replace('$', "$$"))))
            .current_dir(directory);
        for name in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    };
    for special in ["a\"b", "a`id`b", "a$HOME", "a\\b", "a\tb", "a\nb"] {
        let directory = place.path().join(special);
        fs::create_dir(&directory).unwrap();
        let output = help(&directory, None);
        assert!(!output.status.success() && text(&output.stderr).contains("CURDIR is "), "{special}: {output:?}");
        for name in ["PREFIX", "DESTDIR", "libdir", "mandir", "CARGO_TARGET_DIR"] {
            let output = help(place.path(), Some((name, &format!("/{special}"))));
            let expected = format!("{name} is ");
            assert!(!output.status.success() && text(&output.stderr).contains(&expected), "{special}: {output:?}");
        }
    }
    for usual in ["it's ok", "\u{e9}&;#%"] {
        let directory = place.path().join(usual);
        fs::create_dir(&directory).unwrap();
        let output = help(&directory, Some(("PREFIX", "/usr/my programs")));
        assert!(output.status.success(), "{usual}: {output:?}");
    }
}

/// Cargo finds its directory in the home directory of the user.
#[test]
fn paths_are_remapped_without_home() {
    let mut command = Command::new(root().join("scripts/remap-paths"));
    command.arg("/target").env_remove("HOME").env_remove("CARGO_HOME");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("/.cargo=/cargo\""), "{output:?}");
}

#[test]
fn emulator_prints_only_its_exports_on_standard_output() {
    let target = TempDir::new().unwrap();
    let tools = Tools::new(&[]);
    // A build that prints, and a program that ends at once.
    tools.script("cargo", "echo building");
    fs::create_dir(target.path().join("release")).unwrap();
    let emulator = target.path().join("release/glacier-emulator");
    fs::write(&emulator, "#!/bin/sh\necho \"$@\"\n").unwrap();
    fs::set_permissions(&emulator, fs::Permissions::from_mode(0o755)).unwrap();
    let output = tools.make(&["run-emulator", "EMULATOR_FLAGS=--vault v"], target.path());
    assert_eq!(text(&output.stdout), "--print-exports --vault v\n");
    let shown = text(&output.stderr);
    for part in ["building", "in another terminal", "Ctrl-C"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

#[test]
fn library_gets_its_soname_in_the_target_directory_of_cargo() {
    let place = TempDir::new().unwrap();
    let target = place.path().join("my target");
    let tools = Tools::new(&[]);
    let script = r#"case $1 in
metadata) printf '{"target_directory":"%s"}\n' "$CARGO_TARGET_DIR" ;;
rustc) mkdir -p "$CARGO_TARGET_DIR/release" && echo built >"$CARGO_TARGET_DIR/release/libglacier_mp.so" ;;
esac"#;
    tools.script("cargo", script);
    tools.make(&["library"], &target);
    assert_eq!(fs::read_to_string(target.join("release/libglacier_mp.so.0")).unwrap(), "built\n");
}

#[test]
fn debian_changelog_has_the_version_of_the_library() {
    let changelog = fs::read_to_string(root().join("debian/changelog")).unwrap();
    let expected = format!("libglacier-mp ({}) ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&expected), "debian/changelog does not begin with {expected}");
}

/// A directory for PATH with only the tools of a bare system.
struct Tools(TempDir);

impl Tools {
    fn new(more: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let basic = ["sh", "dirname", "grep", "head", "id", "sed", "sort"];
        for name in basic.iter().chain(more) {
            let found = env::split_paths(&env::var_os("PATH").unwrap()).map(|d| d.join(name)).find(|p| p.exists());
            let path = found.unwrap_or_else(|| panic!("{name} is not in PATH"));
            symlink(path, directory.path().join(name)).unwrap();
        }
        Self(directory)
    }

    fn script(&self, name: &str, body: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs make with these tools before those of PATH, and with this target directory of cargo.
    fn make(&self, arguments: &[&str], target: &Path) -> Output {
        let mut command = Command::new("make");
        command.current_dir(root()).arg("--no-print-directory").args(arguments).env("CARGO_TARGET_DIR", target);
        command.env("PATH", format!("{}:{}", self.0.path().display(), env::var("PATH").unwrap()));
        for name in ["CARGO", "CARGO_BUILD_TARGET", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output
    }

    fn prerequisites(&self, target: &str) -> Output {
        let mut command = Command::new(root().join("scripts/prerequisites"));
        command.arg(target).env("PATH", self.0.path()).env("GLACIER_NO_INSTALL", "1");
        for name in ["CC", "CXX", "PYTHON", "CARGO", "RUSTC", "SSL_CERT_FILE"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
