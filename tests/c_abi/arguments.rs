//! Calls every function of the header with wrong arguments, in a program generated from the header.
//!
//! Each function is called with NULL for each pointer and for all pointers, with texts that are not UTF-8, and with the
//! limits of its numbers; in a forked child; and with a panic inside. tests/c/arguments.h has the valid arguments and
//! checks the results. A function or type that is unknown here fails the test.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Build, Program, in_both_builds, library, local_glacier, under_valgrind};
use crate::panics::panicking_library;
use crate::support::header::{Function, Parameter, functions};

in_both_builds!(wrong_arguments, handles_of_parent_process, panics_in_every_function);
under_valgrind!(wrong_arguments, handles_of_parent_process, panics_in_every_function);

fn wrong_arguments(build: Build) {
    let cases = |function: &Function| {
        let mut cases = String::new();
        right(function, &mut cases);
        nulls(function, &mut cases);
        texts(function, &mut cases);
        numbers(function, &mut cases);
        cases
    };
    run("wrong_arguments", &cases, "in_a_provider(for_all);", build, &library());
}

fn handles_of_parent_process(build: Build) {
    let cases = |function: &Function| {
        let has_owner = function.parameters.iter().any(|p| ["client", "upload"].contains(&p.name.as_str()));
        let mut cases = String::new();
        if has_owner && function.can_fail() {
            let forked = gives(function, "gives(GLACIER_E_FORKED, NULL, @)", &[]);
            case(&mut cases, function, "a handle of the parent", &forked, &[]);
        } else if has_owner {
            right(function, &mut cases);
        }
        cases
    };
    run("handles_of_parent_process", &cases, "in_a_child(for_all);", build, &library());
}

fn panics_in_every_function(build: Build) {
    let cases = |function: &Function| {
        // Functions that return constants cannot panic.
        if function.parameters.is_empty() && !function.name.ends_with("_new") {
            return String::new();
        }
        let mut cases = String::new();
        let panics = gives(function, "gives(GLACIER_E_PANIC, NULL, @)", &[]);
        case(&mut cases, function, "a panic inside", &format!("panic_in(function); {panics}; panic_no_more()"), &[]);
        cases
    };
    run("panics_in_every_function", &cases, "in_a_provider(for_all);", build, &panicking_library());
}

/// Generates the program from the cases of each function, and runs it.
fn run(name: &str, cases: &dyn Fn(&Function) -> String, main: &str, build: Build, library: &Path) {
    let all = functions();
    let mut source = "#include \"arguments.h\"\n\n".to_owned();
    let mut calls = String::new();
    for function in &all {
        let cases = cases(function);
        if cases.is_empty() {
            continue;
        }
        let results = if function.can_fail() { function.results(&all) } else { ["GLACIER_OK".to_owned()].into() };
        let results: Vec<_> = results.into_iter().collect();
        let name = &function.name;
        _ = writeln!(source, "static void try_{name}(void)\n{{");
        _ = writeln!(source, "    static const glacier_result_t results[] = {{{}}};", results.join(", "));
        _ = writeln!(source, "    begin_function(\"{name}\", results, {});\n{cases}}}\n", results.len());
        _ = writeln!(calls, "    try_{name}();");
    }
    _ = writeln!(source, "static void for_all(void)\n{{\n{calls}}}\n");
    _ = writeln!(source, "int main(void)\n{{\n    begin_program();\n    {main}\n    end_program();\n    return 0;\n}}");
    println!("{name}: {} calls of {} functions", source.matches(" begin(").count(), calls.lines().count());
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = directory.path().join(format!("{name}.c"));
    fs::write(&file, source).unwrap();
    let program = Program::c_with(file.to_str().unwrap(), build, library);
    let glacier = local_glacier();
    program.check(&mut program.command_at(&glacier));
}

/// Values of parameters that replace the valid ones.
type Wrong<'a> = &'a [(&'a str, &'a str)];

/// Adds a call with valid arguments. The end of each case frees the objects.
fn right(function: &Function, cases: &mut String) {
    let call = call(function, &[]);
    let body = match function.returns.as_str() {
        _ if function.name.ends_with("_free") => return,
        _ if function.can_fail() => format!("as_right = gives_documented({call})"),
        _ if is_static_text(function) => format!("gives_text({call})"),
        // The result is a handle. The _free function of its type frees it.
        _ if function.name.ends_with("_new") => {
            format!("{}free({call}); checked()", function.name.trim_end_matches("new"))
        }
        "void" => format!("{call}; checked()"),
        _ => format!("(void){call}; checked()"),
    };
    case(cases, function, "valid arguments", &body, &[]);
}

/// Adds calls with NULL for each pointer, and for all pointers.
fn nulls(function: &Function, cases: &mut String) {
    let pointers: Vec<_> = function.parameters.iter().filter(|p| is_pointer(p)).collect();
    for pointer in &pointers {
        let refused = format!("gives(GLACIER_E_NULL, \"{}\", @)", pointer.name);
        let want = match pointer.name.as_str() {
            "err" => "gives_silently(as_right, @)",
            _ if may_be_null(function, pointer) => "gives(as_right, NULL, @)",
            _ => &refused,
        };
        let wrong = [(pointer.name.as_str(), "NULL")];
        case(cases, function, &format!("{} NULL", pointer.name), &gives(function, want, &wrong), &wrong);
    }
    let all: Vec<_> = pointers.iter().map(|p| (p.name.as_str(), "NULL")).collect();
    if !all.is_empty() {
        case(cases, function, "NULL everywhere", &gives(function, "gives_silently(GLACIER_E_NULL, @)", &all), &all);
    }
    // With a length of 0 the pointer is not used.
    for name in ["data", "digests"] {
        if let Some(at) = function.parameters.iter().position(|p| p.name == name) {
            let length = (function.parameters[at + 1].name.as_str(), "0");
            let (some, none) = ([length], [length, (name, "NULL")]);
            let want = gives(function, "as_right = gives_documented(@)", &some);
            case(cases, function, &format!("{} 0", length.0), &want, &some);
            let want = gives(function, "gives(as_right, NULL, @)", &none);
            case(cases, function, &format!("{} 0 and {name} NULL", length.0), &want, &none);
        }
    }
}

/// Adds calls with bytes that are not UTF-8: rejected in texts, accepted in file names.
fn texts(function: &Function, cases: &mut String) {
    for text in function.parameters.iter().filter(|p| p.ctype == "const char *") {
        let refused = format!("gives(GLACIER_E_INVALID, \"{}\", @)", text.name);
        let want = if text.name == "path" { "gives_documented(@)" } else { &refused };
        for bytes in [r#""\xff""#, r#""a\xc3(""#, r#""\xed\xa0\x80""#, r#""cut off \xe2\x82""#] {
            let wrong = [(text.name.as_str(), bytes)];
            case(cases, function, &format!("{} not UTF-8", text.name), &gives(function, want, &wrong), &wrong);
        }
    }
}

/// Adds calls with the limits of each number. A length beyond memory is rejected; an index past the end returns NULL or 0.
fn numbers(function: &Function, cases: &mut String) {
    for number in &function.parameters {
        let values: &[&str] = match number.ctype.as_str() {
            "size_t" => &["0", "SIZE_MAX", "SIZE_MAX / 2 + 1"],
            "uint32_t" => &["0", "UINT32_MAX"],
            "uint64_t" => &["0", "UINT64_MAX"],
            "int64_t" => &["0", "-1", "INT64_MAX", "INT64_MIN"],
            "glacier_log_level_t" | "glacier_result_t" => &["-1", "INT32_MAX", "INT32_MIN"],
            _ => continue,
        };
        for value in values {
            let wrong = [(number.name.as_str(), *value)];
            let too_long = number.ctype == "size_t" && *value != "0";
            let body = match (function.can_fail(), number.name.as_str()) {
                (true, _) if too_long => gives(function, "gives(GLACIER_E_INVALID, NULL, @)", &wrong),
                (true, _) => gives(function, "gives_documented(@)", &wrong),
                (false, "index") if too_long => gives(function, "", &wrong),
                (false, _) => format!("(void){}; checked()", call(function, &wrong)),
            };
            let what = format!("{} {value}", number.name);
            case(cases, function, &what, &body, &wrong);
        }
    }
}

/// Writes a case: the call, and how often user_data must be released at its end.
fn case(cases: &mut String, function: &Function, what: &str, body: &str, wrong: Wrong<'_>) {
    let destroys = function.parameters.iter().any(|p| p.name == "destroy") && !wrong.contains(&("destroy", "NULL"));
    _ = writeln!(cases, "    begin(\"{what}\"); {body}; end({});", u8::from(destroys));
}

/// Returns the check of a call: `want` with the call in place of the @. A function without a result returns NULL, 0 or
/// nothing.
fn gives(function: &Function, want: &str, wrong: Wrong<'_>) -> String {
    let call = call(function, wrong);
    match function.returns.as_str() {
        _ if function.can_fail() => want.replace('@', &call),
        "void" => format!("{call}; checked()"),
        _ if is_static_text(function) => format!("gives_text({call})"),
        returns if returns.ends_with('*') => format!("gives_nothing({call} == NULL)"),
        _ => format!("gives_nothing({call} == 0)"),
    }
}

/// Returns the call in C, with valid arguments except for the wrong ones.
fn call(function: &Function, wrong: Wrong<'_>) -> String {
    let argument = |p: &Parameter| match wrong.iter().find(|(name, _)| *name == p.name) {
        Some((_, value)) => (*value).to_owned(),
        None => right_argument(function, p),
    };
    let arguments: Vec<_> = function.parameters.iter().map(argument).collect();
    format!("{}({})", function.name, arguments.join(", "))
}

/// Whether the function returns a static string.
fn is_static_text(function: &Function) -> bool {
    function.returns == "const char *" && function.comment.contains("never NULL")
}

fn is_pointer(parameter: &Parameter) -> bool {
    parameter.ctype.ends_with(['*', ']']) || is_callback(parameter)
}

fn is_callback(parameter: &Parameter) -> bool {
    parameter.ctype.ends_with("_fn")
}

/// Whether the header allows NULL for the pointer. It lists the callbacks that must not be NULL.
fn may_be_null(function: &Function, pointer: &Parameter) -> bool {
    let must_not_be = |name: &str| function.null_is_refused().any(|refused| refused == name);
    pointer.name == "user_data"
        || pointer.name.ends_with("_or_null")
        || (is_callback(pointer) && !must_not_be(&pointer.name))
}

/// Returns a valid argument, by its name in tests/c/arguments.h.
fn right_argument(function: &Function, parameter: &Parameter) -> String {
    let Parameter { ctype, name } = parameter;
    let argument = match (ctype.trim_start_matches("const "), name.as_str()) {
        ("glacier_config_t *", _) => "it.config",
        ("glacier_client_t *", _) => "client",
        ("glacier_upload_t *", _) => "it.upload",
        ("glacier_plan_t *", _) => "it.plan",
        ("glacier_credentials_t *", _) => "credentials",
        ("glacier_treehash_t *", _) => "it.treehash",
        ("glacier_parts_t *", _) => "parts",
        ("glacier_uploads_t *", _) => "uploads",
        ("glacier_error_t *", _) => "error",
        ("glacier_client_t **", "out") => "&it.new_client",
        ("glacier_upload_t **", "out") => "&it.new_upload",
        ("glacier_plan_t **", "out") => "&it.new_plan",
        ("glacier_parts_t **", "out") => "&it.new_parts",
        ("glacier_uploads_t **", "out") => "&it.new_uploads",
        ("glacier_error_t **", "err") => "&err",
        ("glacier_progress_t *", "out") => "&it.progress",
        ("uint8_t[32]", _) | ("uint8_t *", "digests") | ("void *", "data") => "it.bytes",
        ("void *", "user_data") => "&it",
        ("glacier_progress_fn", _) => "go_on",
        ("glacier_read_fn", _) => "read_nothing",
        ("glacier_done_fn", _) => "ignore_end",
        ("glacier_log_fn", _) => "ignore_line",
        ("glacier_credentials_fn", _) => "give_keys",
        ("glacier_destroy_fn", _) => "count",
        ("glacier_log_level_t", _) => "GLACIER_LOG_INFO",
        ("glacier_result_t", _) => "GLACIER_E_NULL",
        ("size_t", "size_of_it") => "sizeof it.progress",
        ("size_t", "index") => "0",
        ("size_t", "len" | "count") => "1",
        ("uint32_t", _) => "1",
        ("int64_t", _) => "0",
        ("uint64_t", _) => "MIB",
        ("char *", "endpoint") => r#""http://127.0.0.1:1""#,
        ("char *", "url_or_null") => r#""""#,
        ("char *", "path") => r#""/nonexistent/file""#,
        ("char *", "region") => r#""eu-central-1""#,
        ("char *", "account_id") => r#""-""#,
        ("char *", "vault") => "VAULT",
        ("char *", "user_agent" | "profile" | "key_id" | "secret" | "token_or_null" | "description" | "upload_id") => {
            r#""text""#
        }
        _ => panic!("{} has a parameter that this test does not know: {ctype} {name}", function.name),
    };
    argument.to_owned()
}
