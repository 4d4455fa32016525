//! The declarations of include/glacier_mp.h.

use std::collections::BTreeSet;

/// A function of the header.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The C return type, such as `const char *`.
    pub(crate) returns: String,
    pub(crate) parameters: Vec<Parameter>,
    /// The doc comment, as one line.
    pub(crate) comment: String,
}

/// A parameter. The type of `const uint8_t out[32]` is `const uint8_t[32]`.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) ctype: String,
}

/// Returns all functions in the order of the header.
pub(crate) fn functions() -> Vec<Function> {
    // A doc comment and the text after it, up to the next one.
    let header = text();
    let blocks = header.split("/**").skip(1).filter_map(|block| block.split_once("*/"));
    blocks.filter_map(|(comment, code)| function(comment, code.split_once(';')?.0)).collect()
}

/// The text of the header.
pub(crate) fn text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/include/glacier_mp.h");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Function {
    /// Whether the function returns a result and takes an `err`.
    pub(crate) fn can_fail(&self) -> bool {
        self.returns == "glacier_result_t" && self.parameters.last().is_some_and(|last| last.name == "err")
    }

    /// Returns the results that the comment lists, with those of the groups and of the other function that it refers to.
    pub(crate) fn results(&self, all: &[Function]) -> BTreeSet<String> {
        let (_, listed) =
            self.comment.split_once("Results: ").unwrap_or_else(|| panic!("{} has no results", self.name));
        let mut results = group("common results");
        results.extend(words(listed).filter(|word| is_result(word)).map(str::to_owned));
        for name in ["config results", "setter results", "request results", "upload results"] {
            if listed.contains(name) {
                results.extend(group(name));
            }
        }
        if let Some(others) = listed.strip_prefix("those of ") {
            let other = all.iter().find(|function| words(others).next() == Some(&function.name));
            results.extend(other.unwrap_or_else(|| panic!("{}: unknown function in results", self.name)).results(all));
        }
        results
    }

    /// Returns the parameters that the comment lists with GLACIER_E_NULL.
    pub(crate) fn null_is_refused(&self) -> impl Iterator<Item = &str> {
        let named = self.comment.split_once("GLACIER_E_NULL (").map_or("", |(_, named)| named);
        words(named.split_once(')').map_or(named, |(named, _)| named))
    }
}

/// Returns a group of results that the header defines in its section "Errors". Its definition ends with a period.
fn group(name: &str) -> BTreeSet<String> {
    let header = text();
    let definition = header.split_once(&format!(" *     {name}  ")).and_then(|(_, rest)| rest.split_once('.'));
    let (definition, _) = definition.unwrap_or_else(|| panic!("the header does not define the {name}"));
    let mut results: BTreeSet<_> = words(definition).filter(|word| is_result(word)).map(str::to_owned).collect();
    if definition.contains("request results") {
        results.extend(group("request results"));
    }
    results
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

fn is_result(word: &str) -> bool {
    word == "GLACIER_OK" || word.starts_with("GLACIER_E_")
}

/// Parses a declaration without its semicolon. Returns `None` if it declares no function.
fn function(comment: &str, code: &str) -> Option<Function> {
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let (head, parameters) = code.strip_suffix(')')?.split_once('(')?;
    let (returns, name) = type_and_name(head);
    if returns.starts_with("typedef") {
        return None;
    }
    let parameters = parameters.split(", ").filter(|parameter| *parameter != "void").map(|parameter| {
        let (declared, array) =
            parameter.split_once('[').map_or((parameter, ""), |(left, _)| (left, &parameter[left.len()..]));
        let (ctype, name) = type_and_name(declared);
        Parameter { name: name.to_owned(), ctype: format!("{ctype}{array}") }
    });
    let comment = comment.split_whitespace().filter(|word| *word != "*").collect::<Vec<_>>().join(" ");
    Some(Function { name: name.to_owned(), returns: returns.to_owned(), parameters: parameters.collect(), comment })
}

fn type_and_name(declared: &str) -> (&str, &str) {
    let start = declared.rfind([' ', '*']).map_or(0, |at| at + 1);
    (declared[..start].trim_end(), &declared[start..])
}
