//! `make install`, and programs in C and C++ that use the installed tree.
//!
//! `make test-install` also runs the ignored tests. They need pkg-config, CMake and meson.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod build_systems;
mod linker_cache;
mod manual;
mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use support::command::{succeed, text};
use support::compiler::Language;
use tempfile::TempDir;
use tree::{Tree, consumer, files, make, variable};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn install_copies_every_file_without_cargo() {
    let tree = Tree::install("lib");
    let installed: Vec<_> = files(&tree.prefix).iter().map(|path| tree.relative(path)).collect();
    for expected in [
        "include/glacier_mp.h",
        "include/glacier_mp.hpp",
        "lib/cmake/glacier_mp/glacier_mp-config-version.cmake",
        "lib/cmake/glacier_mp/glacier_mp-config.cmake",
        "lib/libglacier_mp.so",
        "lib/libglacier_mp.so.0",
        &format!("lib/libglacier_mp.so.{VERSION}"),
        "lib/pkgconfig/glacier_mp.pc",
        "share/doc/libglacier_mp/LICENSE-APACHE",
        "share/doc/libglacier_mp/LICENSE-MIT",
        "share/man/man3/libglacier_mp.3",
    ] {
        assert!(installed.iter().any(|path| path == expected), "{expected} is not in {installed:?}");
    }
    for path in installed.iter().map(|path| tree.prefix.join(path)).filter(|path| path.extension().is_some()) {
        let content = fs::read(&path).unwrap();
        let is_template = path.extension().is_some_and(|name| name == "pc" || name == "cmake");
        assert!(!is_template || !content.contains(&b'@'), "{} has an unknown name", path.display());
    }
    assert_eq!(
        fs::read_link(tree.library_directory().join("libglacier_mp.so")).unwrap(),
        Path::new("libglacier_mp.so.0")
    );
}

#[test]
fn uninstall_removes_every_installed_file() {
    let tree = Tree::install("lib");
    tree.run("uninstall");
    let left = files(&tree.prefix);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn install_copies_the_programs_that_were_built() {
    let tree = Tree::install("lib");
    let before = files(&tree.prefix);
    let emulator = ["bin/glacier-emulator"];
    let command = [
        "bin/glacier-mp",
        "share/bash-completion/completions/glacier-mp",
        "share/fish/vendor_completions.d/glacier-mp.fish",
        "share/man/man1/glacier-mp-upload.1",
        "share/man/man1/glacier-mp.1",
        "share/zsh/site-functions/_glacier-mp",
    ];
    for (built, expected) in [
        (&["glacier-emulator"][..], &emulator[..]),
        (
            &[
                "glacier-mp",
                "glacier-mp-man/glacier-mp.1",
                "glacier-mp-man/glacier-mp-upload.1",
                "glacier-mp-completions/bash",
                "glacier-mp-completions/zsh",
                "glacier-mp-completions/fish",
            ],
            &[&emulator[..], &command].concat(),
        ),
    ] {
        for path in built.iter().map(|name| tree.target.join("release").join(name)) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        tree.run("install");
        let added: Vec<_> = files(&tree.prefix).into_iter().filter(|path| !before.contains(path)).collect();
        assert_eq!(added.iter().map(|path| tree.relative(path)).collect::<Vec<_>>(), expected);
    }
    let mode = fs::metadata(tree.prefix.join("bin/glacier-emulator")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    tree.run("uninstall");
    assert!(files(&tree.prefix).is_empty());
}

#[test]
fn staged_files_do_not_mention_the_staging_directory() {
    let tree = Tree::install("lib");
    let stage = TempDir::new().unwrap();
    let output = stage_files(&tree, stage.path(), &[]);
    assert!(!text(&output.stdout).contains("LD_LIBRARY_PATH"), "{output:?}");
    let settings = stage.path().join("opt/glacier/lib/pkgconfig/glacier_mp.pc");
    assert!(fs::read_to_string(settings).unwrap().starts_with("prefix=/opt/glacier\nlibdir=${prefix}/lib\n"));
    for path in files(stage.path()).iter().filter(|path| path.extension().is_some_and(|name| name != "0")) {
        let content = fs::read(path).unwrap();
        let mentioned = content
            .windows(stage.path().as_os_str().len())
            .any(|part| part == stage.path().as_os_str().as_encoded_bytes());
        assert!(!mentioned, "{}", path.display());
    }
}

#[test]
fn install_copies_headers_to_includedir() {
    let tree = Tree::install("lib");
    let stage = TempDir::new().unwrap();
    stage_files(&tree, stage.path(), &["includedir=/opt/headers"]);
    assert!(stage.path().join("opt/headers/glacier_mp.h").exists());
    assert!(!stage.path().join("opt/glacier/include").exists());
    let settings = fs::read_to_string(stage.path().join("opt/glacier/lib/pkgconfig/glacier_mp.pc")).unwrap();
    assert!(settings.contains("\nincludedir=/opt/headers\n"), "{settings}");
}

/// Runs `make install` for the prefix `/opt/glacier` in a staging directory.
fn stage_files(tree: &Tree, stage: &Path, arguments: &[&str]) -> Output {
    let mut command = make("install");
    command.args(["PREFIX=/opt/glacier", "CARGO=/nonexistent/cargo"]).arg(variable("DESTDIR", stage)).args(arguments);
    succeed(command.env("CARGO_TARGET_DIR", &tree.target))
}

#[test]
fn install_rejects_relative_directories() {
    for relative in ["PREFIX=usr", "libdir=lib", "includedir=include"] {
        for goal in ["install", "uninstall"] {
            let output = make(goal).arg(relative).arg("CARGO=/nonexistent/cargo").output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let expected = format!("make: {relative} is not an absolute path");
            assert_eq!(text(&output.stderr).lines().next(), Some(expected.as_str()));
        }
    }
}

#[test]
fn install_without_build_fails_with_one_sentence() {
    let directory = TempDir::new().unwrap();
    let mut make = make("install");
    make.arg(variable("PREFIX", &directory.path().join("prefix"))).env("CARGO_TARGET_DIR", directory.path());
    let output = make.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said: Vec<_> = text(&output.stderr).lines().filter(|line| !line.starts_with("make: ")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("libglacier_mp.so does not exist: run make first"), "{said:?}");
    assert!(files(directory.path()).is_empty());
}

#[test]
fn links_with_plain_l_before_and_after_the_tree_is_moved() {
    let tree = Tree::install("lib");
    let before = programs(&tree);
    let tree = tree.moved();
    let after = programs(&tree);
    for program in before.iter().chain(&after) {
        let output = succeed(Command::new(program).env("LD_LIBRARY_PATH", tree.library_directory()));
        assert_eq!(text(&output.stdout).trim_end(), VERSION);
    }
}

/// Compiles the C and the C++ program with -I, -L and -l.
fn programs(tree: &Tree) -> [std::path::PathBuf; 2] {
    [(Language::C, "program.c"), (Language::Cxx, "program.cpp")].map(|(language, source)| {
        let program = tree.new_file();
        let mut command = tree::plain_compiler(language);
        command.arg("-I").arg(tree.prefix.join("include")).arg(consumer().join(source)).arg("-o").arg(&program);
        succeed(command.arg("-L").arg(tree.library_directory()).arg("-lglacier_mp"));
        program
    })
}
