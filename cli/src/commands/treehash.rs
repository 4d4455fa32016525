//! `glacier-mp treehash`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use glacier_mp::error::Kind;
use glacier_mp::sync::cancel::Cancel;
use glacier_mp::treehash::{Digest, TreeHasher, hash_file};
use serde_json::json;

use crate::args::TreehashArgs;
use crate::console::{Output, message, path_text, shown_path};
use crate::exit::{Exit, Failure, Result};
use crate::signals::SignalWatch;
use crate::stdin::{Stdin, unreadable};

/// The number of bytes that one read of standard input asks for.
const READ_SIZE: usize = 1 << 20;

/// Runs the subcommand.
///
/// # Errors
/// The signals cannot be handled. A file that cannot be read fails alone.
pub(crate) fn run(args: &TreehashArgs, output: &Output) -> Result<Exit> {
    let cancel = Arc::new(Cancel::default());
    let raised = Arc::clone(&cancel);
    let _signals = SignalWatch::start(move || raised.raise(), || {})?;
    let mut exit = Exit::Done;
    for path in &args.files {
        match hash(path, args.threads, &cancel) {
            Ok(digest) if args.json => {
                output.json(&json!({"source": path_text(path), "tree_hash": digest.to_hex()}));
            }
            Ok(digest) => output.line(&format!("{digest}  {}", shown_path(path))),
            Err(failure) => {
                message(&failure.message);
                exit = exit.worse(failure.exit);
            }
        }
        if cancel.is_raised() {
            return Ok(Exit::Failed);
        }
    }
    Ok(exit)
}

fn hash(path: &Path, threads: u32, cancel: &Cancel) -> Result<Digest> {
    if path.as_os_str() == "-" {
        return hash_stdin(Stdin::open()?, cancel).map_err(|cause| unreadable(&cause));
    }
    hash_file(path, threads, &|_| (), cancel).map_err(|error| match error.kind() {
        Kind::Canceled => Failure::new(format!("{}: canceled", shown_path(path))),
        _ => error.into(),
    })
}

fn hash_stdin(mut input: Stdin, cancel: &Cancel) -> io::Result<Digest> {
    let mut hasher = TreeHasher::new();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match input.read(&mut buffer, || cancel.is_raised())? {
            Some(0) => return Ok(hasher.finish()),
            Some(length) => hasher.update(&buffer[..length]),
            None => return Err(io::Error::other("canceled")),
        }
    }
}
