//! The prototypes of the manual page are those of the header.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::command::succeed;
use crate::support::compiler::{Language, compiler};

#[test]
fn manual_page_has_the_prototypes_of_the_header() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man/libglacier_mp.3")).unwrap();
    let synopsis = page.split(".Sh ").find(|section| section.starts_with("SYNOPSIS")).unwrap();
    let prototypes = prototypes(synopsis);
    assert!(prototypes.len() > 5, "{prototypes:?}");
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("prototypes.c");
    // The compiler rejects a second declaration with another type.
    fs::write(&source, format!("#include <glacier_mp.h>\n{}\n", prototypes.join("\n"))).unwrap();
    succeed(compiler(Language::C, "c99").arg("-fsyntax-only").arg(&source));
}

/// Converts the mdoc macros Ft, Fn, Fo, Fa and Fc to C declarations.
fn prototypes(synopsis: &str) -> Vec<String> {
    let (mut found, mut returns, mut arguments) = (Vec::new(), "", Vec::new());
    for line in synopsis.lines() {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            ".Ft" => returns = rest,
            ".Fn" => {
                let (function, parameters) = rest.split_once(' ').unwrap();
                found.push(format!("{returns} {function}({parameters});"));
            }
            ".Fo" => arguments = vec![rest],
            ".Fa" => arguments.push(rest.trim_matches('"')),
            ".Fc" => found.push(format!("{returns} {}({});", arguments[0], arguments[1..].join(", "))),
            _ => {}
        }
    }
    found
}
