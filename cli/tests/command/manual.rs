//! The manual pages and the completion scripts.

use std::process::Command;

use crate::run::Place;

#[test]
fn writes_a_manual_page_for_each_subcommand() {
    let place = Place::new();
    place.run(["man", "pages"]).expect(0);
    let directory = place.directory.path().join("pages");
    let mut pages: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let names = ["abort", "archives", "completions", "config", "list", "parts", "plan", "resume", "treehash", "upload"];
    let mut expected: Vec<_> = names.iter().map(|name| format!("glacier-mp-{name}.1")).collect();
    expected.insert(0, "glacier-mp.1".to_owned());
    expected.sort();
    assert_eq!(pages, expected);
    for page in &pages {
        // mandoc is an optional tool.
        let Ok(lint) = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(directory.join(page)).output()
        else {
            continue;
        };
        assert!(lint.status.success(), "{page}: {}", String::from_utf8_lossy(&lint.stdout));
    }
}

#[test]
fn completion_scripts_name_each_subcommand() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = place.run(["completions", shell]);
        ran.expect(0);
        for name in ["upload", "resume", "abort", "--limit-rate"] {
            assert!(ran.stdout.contains(name.trim_start_matches('-')), "{shell} {name}");
        }
        // The shell itself checks the syntax, if it is installed.
        let script = place.file("script", ran.stdout.as_bytes());
        if let Ok(check) = Command::new(shell).args(["-n", &script]).output() {
            assert!(check.status.success(), "{shell}: {}", String::from_utf8_lossy(&check.stderr));
        }
    }
}
