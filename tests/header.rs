//! The header equals what the sources generate, and compiles without warnings.
//!
//! `make header` writes it. src/ffi/glacier_mp.h.in has the text and the order. Each `@item` in it is replaced by the
//! declaration and its comment, which cbindgen generates from src/ffi.

#![allow(unsafe_code, reason = "the library returns C strings")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod support;

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::fs;
use std::path::{Path, PathBuf};

use glacier_mp::ffi::result::{glacier_result_message, glacier_result_name};

use support::compiler::{Language, compiler_named};

/// The maximum length of a line in characters.
const LINE_MAX: usize = 120;

#[test]
fn header_is_up_to_date() {
    let path = root().join("include/glacier_mp.h");
    let generated = render();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::write(&path, generated).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap();
    let differs = committed.lines().zip(generated.lines()).position(|(committed, generated)| committed != generated);
    let line = differs.unwrap_or(committed.lines().count().min(generated.lines().count())) + 1;
    assert!(committed == generated, "include/glacier_mp.h differs from the sources at line {line}; run: make header");
}

#[test]
fn every_function_has_version_and_results() {
    let header = header();
    for (name, block) in blocks(&header).into_iter().filter(|(_, block)| block.contains(");")) {
        assert!(block.contains("Since: "), "{name} does not name the version that added it");
        let declaration = block.split("*/").last().unwrap_or_default();
        if declaration.trim_start().starts_with("glacier_result_t ") && declaration.contains("**err") {
            assert!(block.contains("Results: "), "{name} does not list its results");
        }
        for word in ["None", "Some(", "Safety", "`", "[`", "Option<", "cbindgen"] {
            assert!(!block.contains(word), "the comment of {name} uses a Rust term: {word}");
        }
    }
}

#[test]
fn has_no_line_longer_than_maximum() {
    let header = header();
    let long: Vec<_> = (1..).zip(header.lines()).filter(|(_, line)| line.chars().count() > LINE_MAX).collect();
    assert!(long.is_empty(), "longer than {LINE_MAX} characters: {long:?}");
}

#[test]
fn every_result_has_name_and_message() {
    let header = header();
    let names: Vec<_> = header.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")).collect();
    let results: Vec<_> =
        names.into_iter().filter(|(name, _)| name.starts_with("GLACIER_E_") || *name == "GLACIER_OK").collect();
    assert_eq!(results.len(), 31);
    for (name, number) in results {
        let number = number.parse().unwrap();
        assert_eq!(text(glacier_result_name(number)), name);
        assert!(!text(glacier_result_message(number)).contains("not know"), "{name} has no message");
    }
    for number in [-1, 7, 99, 308, i32::MAX, i32::MIN] {
        assert_eq!(text(glacier_result_name(number)), "GLACIER_E_UNKNOWN");
        assert!(text(glacier_result_message(number)).contains("not know"));
    }
}

#[test]
fn compiles_without_warnings() {
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

/// Uses what a header that is only included does not test: macros, names in a switch, and callback types.
const EVERY_MACRO: &str = r#"
#if GLACIER_MP_VERSION_NUMBER < 1 || GLACIER_MP_ABI_VERSION > 0
#error "the preprocessor cannot compare the versions"
#endif
const char *kind_of(glacier_result_t result, glacier_state_t state);
const char *kind_of(glacier_result_t result, glacier_state_t state) {
    switch (result) {
    case GLACIER_OK: return state == GLACIER_STATE_COMPLETED ? GLACIER_MP_VERSION : "";
    case GLACIER_E_NOT_FOUND: return "gone";
    default: return glacier_result_name(result);
    }
}
int32_t read_nothing(void *user_data, uint8_t *buf, size_t cap, size_t *out_len);
int32_t read_nothing(void *user_data, uint8_t *buf, size_t cap, size_t *out_len) {
    (void)user_data; (void)buf; (void)cap;
    *out_len = 0;
    return GLACIER_CONTINUE;
}
glacier_result_t run_nothing(glacier_upload_t *upload, glacier_done_fn done);
glacier_result_t run_nothing(glacier_upload_t *upload, glacier_done_fn done) {
    glacier_read_fn read = read_nothing;
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
            let messages = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name} -std={standard} does not compile the header:\n{messages}");
        }
        Err(_) if name.starts_with("clang") && std::env::var_os("GLACIER_TESTS_WITHOUT_CLANG").is_some() => {}
        Err(error) => {
            panic!("{name} cannot be run ({error}): install gcc, g++ and clang, or set GLACIER_TESTS_WITHOUT_CLANG")
        }
    }
}

/// Returns the program in the "Quick start" section of the header.
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
    panic!("the header has no complete program");
}

/// Generates the header from the sources.
fn render() -> String {
    let template = fs::read_to_string(root().join("src/ffi/glacier_mp.h.in")).unwrap();
    let declarations = declarations();
    let mut items = blocks(&declarations);
    let mut header = String::new();
    for line in template.lines() {
        match line.strip_prefix("@item ") {
            // Separates items by an empty line.
            Some(name) if header.ends_with("\n\n") => header += &item(&mut items, name),
            Some(name) => header += &format!("\n{}", item(&mut items, name)),
            None => header += &format!("{line}\n"),
        }
    }
    assert!(items.is_empty(), "src/ffi/glacier_mp.h.in has no @item for {:?}", items.keys());
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
        .unwrap_or_else(|| panic!("src/ffi/glacier_mp.h.in has @item {name} twice, or src/ffi does not declare it"))
}

/// Returns all declarations, as cbindgen writes them.
fn declarations() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let bindings =
        cbindgen::Builder::new().with_config(config).with_src(root().join("src/ffi/mod.rs")).generate().unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    // cbindgen removes its annotation from the end of a comment, but leaves the empty line before it.
    let text = String::from_utf8(text).unwrap().replace("\n *\n */", "\n */");
    short_comments_on_one_line(&text)
}

/// Puts each comment of one line on one line. cbindgen uses three.
fn short_comments_on_one_line(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut short = String::new();
    while let Some(line) = lines.next() {
        short += line;
        if line.trim() == "/**" {
            let comment = lines.next().unwrap_or_default().trim().trim_start_matches('*');
            let fits = line.len() + comment.len() + " */".len() <= LINE_MAX;
            if fits && lines.next_if(|line| line.trim() == "*/").is_some() {
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

/// Returns the declarations with their comments, by name. An empty line ends a declaration.
fn blocks(text: &str) -> BTreeMap<String, String> {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| block.starts_with("/**"));
    blocks.map(|block| (declared(block).to_owned(), format!("{block}\n"))).collect()
}

/// Returns the name that a block declares: the word before the parameters of a function or function pointer, else the
/// last word.
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

/// Converts a static string of the library.
fn text(of_library: *const c_char) -> &'static str {
    assert!(!of_library.is_null());
    // SAFETY: by the contract of the header, the string ends with NUL and is never freed.
    unsafe { CStr::from_ptr(of_library) }.to_str().unwrap()
}

fn header() -> String {
    fs::read_to_string(root().join("include/glacier_mp.h")).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
