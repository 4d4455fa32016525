//! The header is what the sources say, and every compiler that C and C++ programs use takes it without a warning.
//!
//! `make header` writes it anew. The text and the order are in src/ffi/glacier_mp.h.in; each `@item` there is
//! replaced by the declaration and its comment, as cbindgen makes them from src/ffi.

#![allow(unsafe_code, reason = "texts come from the library as C gets them")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod support;

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::fs;
use std::path::{Path, PathBuf};

use glacier_mp::ffi::result::{glacier_result_message, glacier_result_name};

use support::compiler::{Language, compiler_named};

#[test]
fn header_is_up_to_date() {
    let path = root().join("include/glacier_mp.h");
    let made = render();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::write(&path, made).unwrap();
        return;
    }
    let have = fs::read_to_string(&path).unwrap();
    let differs = have.lines().zip(made.lines()).position(|(have, made)| have != made);
    let line = differs.unwrap_or(have.lines().count().min(made.lines().count())) + 1;
    assert!(have == made, "include/glacier_mp.h differs from the sources at line {line}; run: make header");
}

#[test]
fn every_function_tells_since_when_and_what_it_gives() {
    let header = header();
    for (name, block) in blocks(&header).into_iter().filter(|(_, block)| block.contains(");")) {
        assert!(block.contains("Since: "), "{name} does not say since when it exists");
        let declaration = block.split("*/").last().unwrap_or_default();
        if declaration.trim_start().starts_with("glacier_result_t ") && declaration.contains("**err") {
            for word in ["Results: ", "GLACIER_E_PANIC", "GLACIER_E_NULL"] {
                assert!(block.contains(word) || block.contains("Results: those of"), "{name} does not mention {word}");
            }
        }
        for word in ["None", "Some(", "Safety", "`", "[`", "Option<", "cbindgen"] {
            assert!(!block.contains(word), "the comment of {name} speaks Rust: {word}");
        }
    }
}

#[test]
fn every_line_fits_its_reader() {
    let header = header();
    let long: Vec<_> = (1..).zip(header.lines()).filter(|(_, line)| line.chars().count() > 120).collect();
    assert!(long.is_empty(), "longer than 120 characters: {long:?}");
}

#[test]
fn every_result_is_known_by_its_name() {
    let header = header();
    let names: Vec<_> = header.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")).collect();
    let results: Vec<_> =
        names.into_iter().filter(|(name, _)| name.starts_with("GLACIER_E_") || *name == "GLACIER_OK").collect();
    assert_eq!(results.len(), 31);
    for (name, number) in results {
        let number = number.parse().unwrap();
        assert_eq!(text(glacier_result_name(number)), name);
        assert!(!text(glacier_result_message(number)).contains("not know"), "{name} has no text");
    }
    for number in [-1, 7, 99, 308, i32::MAX, i32::MIN] {
        assert_eq!(text(glacier_result_name(number)), "GLACIER_E_UNKNOWN");
        assert!(text(glacier_result_message(number)).contains("not know"));
    }
}

#[test]
fn compiles_without_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let program = format!("{}\n{EVERY_MACRO}", example());
    for (compilers, language, extension, standards, warnings) in [
        (["gcc", "clang"], Language::C, "c", &["c99", "c11", "c2x"][..], &["-Wstrict-prototypes"][..]),
        (["g++", "clang++"], Language::Cxx, "cpp", &["c++11", "c++17"], &[]),
    ] {
        let source = dir.path().join("example").with_extension(extension);
        fs::write(&source, &program).unwrap();
        for (compiler, standard) in compilers.iter().flat_map(|c| standards.iter().map(move |s| (c, s))) {
            compile(compiler, language, standard, warnings, &source);
        }
    }
}

/// Uses what a header can get wrong without anyone noticing: macros, names in a switch, and types of callbacks.
const EVERY_MACRO: &str = r#"
#if GLACIER_MP_VERSION_NUMBER < 1 || GLACIER_MP_ABI_VERSION > 0
#error "the versions do not work in the preprocessor"
#endif
const char *kind_of(glacier_result_t result, glacier_state_t state);
const char *kind_of(glacier_result_t result, glacier_state_t state) {
    switch (result) {
    case GLACIER_OK: return state == GLACIER_STATE_COMPLETED ? GLACIER_MP_VERSION : "";
    case GLACIER_E_NOT_FOUND: return "gone";
    default: return glacier_result_name(result);
    }
}
int32_t nothing(void *user_data, uint8_t *buf, size_t cap, size_t *out_len);
int32_t nothing(void *user_data, uint8_t *buf, size_t cap, size_t *out_len) {
    (void)user_data; (void)buf; (void)cap;
    *out_len = 0;
    return GLACIER_CONTINUE;
}
glacier_result_t run_nothing(glacier_upload_t *upload, glacier_done_fn done);
glacier_result_t run_nothing(glacier_upload_t *upload, glacier_done_fn done) {
    glacier_read_fn read = nothing;
    uint64_t forever = GLACIER_FOREVER;
    glacier_upload_set_source_callback(upload, read, GLACIER_UNKNOWN_LENGTH, NULL, NULL, NULL);
    glacier_upload_start(upload, done, NULL, NULL, NULL);
    return glacier_upload_wait(upload, forever, NULL);
}
"#;

fn compile(name: &str, language: Language, standard: &str, warnings: &[&str], source: &Path) {
    let mut command = compiler_named(name, language, standard);
    match command.arg("-fsyntax-only").args(warnings).arg(source).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name} -std={standard} does not take the header:\n{said}");
        }
        Err(_) if name.starts_with("clang") && std::env::var_os("GLACIER_TESTS_WITHOUT_CLANG").is_some() => {}
        Err(error) => {
            panic!("{name} cannot be run ({error}): install gcc, g++ and clang, or set GLACIER_TESTS_WITHOUT_CLANG")
        }
    }
}

/// The complete program in the header's introduction.
fn example() -> String {
    let header = header();
    let from_include = header.lines().skip_while(|line| !line.contains("#include <glacier_mp.h>"));
    let mut program = String::new();
    for line in from_include {
        let line = line.trim_start_matches(" *");
        program += line.strip_prefix("     ").unwrap_or(line);
        program.push('\n');
        if line == "     }" {
            return program;
        }
    }
    panic!("the header has no complete example");
}

/// The header as the sources say it is.
fn render() -> String {
    let template = fs::read_to_string(root().join("src/ffi/glacier_mp.h.in")).unwrap();
    let declarations = declarations();
    let mut items = blocks(&declarations);
    let mut header = String::new();
    for line in template.lines() {
        match line.strip_prefix("@item ") {
            // A blank line between items, as between all else.
            Some(name) if header.ends_with("\n\n") => header += &item(&mut items, name),
            Some(name) => header += &format!("\n{}", item(&mut items, name)),
            None => header += &format!("{line}\n"),
        }
    }
    assert!(items.is_empty(), "src/ffi/glacier_mp.h.in has no place for {:?}", items.keys());
    for (variable, value) in [
        ("@VERSION@", env!("CARGO_PKG_VERSION").to_owned()),
        ("@VERSION_MAJOR@", env!("CARGO_PKG_VERSION_MAJOR").to_owned()),
        ("@VERSION_MINOR@", env!("CARGO_PKG_VERSION_MINOR").to_owned()),
        ("@VERSION_PATCH@", env!("CARGO_PKG_VERSION_PATCH").to_owned()),
        ("@ABI_VERSION@", glacier_mp::ffi::version::glacier_abi_version().to_string()),
    ] {
        assert!(header.contains(variable), "src/ffi/glacier_mp.h.in does not use {variable}");
        header = header.replace(variable, &value);
    }
    header
}

fn item(items: &mut BTreeMap<String, String>, name: &str) -> String {
    items
        .remove(name)
        .unwrap_or_else(|| panic!("src/ffi/glacier_mp.h.in names {name} twice, or src/ffi does not have it"))
}

/// All declarations, one behind the other, as cbindgen writes them.
fn declarations() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let bindings =
        cbindgen::Builder::new().with_config(config).with_src(root().join("src/ffi/mod.rs")).generate().unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    short_comments_on_one_line(&String::from_utf8(text).unwrap())
}

/// A comment of one line takes three as cbindgen writes it; most fields and names of values have one of these.
fn short_comments_on_one_line(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut short = String::new();
    while let Some(line) = lines.next() {
        short += line;
        if line.trim() == "/**" {
            let comment = lines.next().unwrap_or_default().trim().trim_start_matches('*');
            if lines.next_if(|line| line.trim() == "*/").is_some() {
                short += &format!("{comment} */");
            } else {
                let indent = &line[..line.len() - line.trim_start().len()];
                short += &format!("\n{indent} *{comment}");
            }
        }
        short.push('\n');
    }
    short
}

/// The declarations with their comments, by name. A blank line ends one, and there is none inside.
fn blocks(text: &str) -> BTreeMap<String, String> {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| block.starts_with("/**"));
    blocks.map(|block| (declared(block).to_owned(), format!("{block}\n"))).collect()
}

/// The name that a block declares: of a function or a function pointer, before its parameters; else the last word.
fn declared(block: &str) -> &str {
    let declaration = block.split_once("*/").unwrap_or_else(|| panic!("a comment without an end: {block}")).1.trim();
    let before = match declaration.split_once("(*") {
        Some((_, after)) => after.split(')').next(),
        None if declaration.starts_with("typedef") => declaration.strip_suffix(';'),
        None => declaration.split('(').next(),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    before.and_then(|text| text.rsplit(|c| !is_name(c)).next()).unwrap_or_else(|| panic!("no name in {declaration}"))
}

/// A static text of the library.
fn text(of_library: *const c_char) -> &'static str {
    assert!(!of_library.is_null());
    // SAFETY: the header promises a text that ends with NUL and is never freed.
    unsafe { CStr::from_ptr(of_library) }.to_str().unwrap()
}

fn header() -> String {
    fs::read_to_string(root().join("include/glacier_mp.h")).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
