//! The cache of the dynamic linker after `make install` and `make uninstall`, and the hints for directories that the linker or
//! pkg-config does not search. Scripts stand in for `ldconfig`, `id` and `pkg-config`.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::command::{succeed, text};
use crate::tree::Tree;

#[test]
fn install_names_the_directory_that_the_linker_does_not_search() {
    let system = System::new("0", Path::new("/usr/lib"));
    let tree = Tree::install("lib");
    let expected = format!("the dynamic linker does not search {}", directory(&tree).display());
    let said = system.make(&tree, "install");
    assert!(said.contains(&expected), "{expected} is not in {said}");
    assert_eq!(system.updates(), 0);
}

#[test]
fn root_updates_the_cache_if_the_linker_searches_the_directory() {
    let tree = Tree::install("lib");
    let system = System::new("0", &directory(&tree));
    let said = system.make(&tree, "install");
    assert!(!said.contains("dynamic linker"), "{said}");
    assert_eq!(system.updates(), 1);
    system.make(&tree, "uninstall");
    assert_eq!(system.updates(), 2);
}

#[test]
fn other_users_learn_that_root_must_update_the_cache() {
    let tree = Tree::install("lib");
    let system = System::new("1000", &directory(&tree));
    let said = system.make(&tree, "install");
    let expected = format!("run ldconfig as root: the library in {} is not in the cache", directory(&tree).display());
    assert!(said.contains(&expected), "{expected} is not in {said}");
    assert_eq!(system.updates(), 0);
}

#[test]
fn install_names_the_directory_that_pkg_config_does_not_search() {
    let tree = Tree::install("lib");
    let system = System::new("0", Path::new("/usr/lib"));
    let installed = directory(&tree).join("pkgconfig");
    let expected = format!("set PKG_CONFIG_PATH={}", installed.display());
    // pkg-config finds no glacier_mp.pc, or one in another directory.
    for line in ["exit 1".to_owned(), "echo /usr/lib".to_owned()] {
        system.script("pkg-config", &line);
        let said = system.make(&tree, "install");
        assert!(said.contains(&expected), "{expected} is not in {said}");
    }
    system.script("pkg-config", &format!("echo '{}'", installed.display()));
    let said = system.make(&tree, "install");
    assert!(!said.contains("PKG_CONFIG_PATH"), "{said}");
}

/// The library directory of the tree, without symbolic links.
fn directory(tree: &Tree) -> PathBuf {
    tree.library_directory().canonicalize().unwrap()
}

/// A directory for PATH with an `id` that prints a user ID, and an `ldconfig` that searches one directory.
struct System(TempDir);

impl System {
    fn new(user: &str, searched: &Path) -> Self {
        let system = Self(TempDir::new().unwrap());
        system.script("id", &format!("echo {user}"));
        let list = format!("echo '{}: (from /etc/ld.so.conf:1)'", searched.display());
        let record = format!("echo updated >>'{}'", system.record().display());
        system.script("ldconfig", &format!("if [ \"$*\" = -NXv ]; then {list}; else {record}; fi"));
        system
    }

    fn script(&self, name: &str, line: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn record(&self) -> PathBuf {
        self.0.path().join("updates")
    }

    /// Returns how often `ldconfig` updated the cache.
    fn updates(&self) -> usize {
        fs::read_to_string(self.record()).map_or(0, |record| record.lines().count())
    }

    /// Runs a goal of the Makefile. Returns its output.
    fn make(&self, tree: &Tree, goal: &str) -> String {
        let inherited = env::var_os("PATH").unwrap();
        let path = [self.0.path().to_owned()].into_iter().chain(env::split_paths(&inherited));
        text(&succeed(tree.make(goal).env("PATH", env::join_paths(path).unwrap())).stdout).to_owned()
    }
}
