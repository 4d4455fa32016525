//! The clients that upload a file.

use std::path::Path;
use std::process::Command;

use crate::archive::Archive;
use crate::child::{Cost, Finished, program, run, sibling};
use crate::glacier::Glacier;
use crate::{GIB, MIB, Result, root, target_dir};

/// The predefined vault of the local Glacier.
const VAULT: &str = "examplevault";

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The C example with the release build of the library.
    Ours,
    /// boto3 with a thread pool.
    Boto3,
    /// The `aws-sdk-glacier` crate.
    Sdk,
    /// curl with one part of the archive's size and precomputed hashes: a lower bound.
    Curl,
}

impl Client {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "libglacier_mp",
            Self::Boto3 => "boto3, threads",
            Self::Sdk => "aws-sdk-glacier",
            Self::Curl => "curl -T, precomputed hashes",
        }
    }

    /// Uploads the archive and checks that it exists.
    pub(crate) fn upload(self, glacier: &Glacier, archive: &Archive, part_size: u64, workers: u64) -> Result<Cost> {
        let before = glacier.count(archive)?;
        let cost = match self {
            Self::Ours => run(&mut ours(glacier, &archive.path, part_size, workers))?.cost,
            Self::Boto3 => run(&mut boto3(glacier, archive, part_size, workers))?.cost,
            Self::Sdk => run(&mut sdk(glacier, archive, part_size, workers)?)?.cost,
            Self::Curl => curl(glacier, archive)?,
        };
        if glacier.count(archive)? != before + 1 {
            return Err(format!(
                "the upload created no archive of {} bytes with tree hash {}",
                archive.bytes, archive.tree
            ))?;
        }
        Ok(cost)
    }
}

/// Returns the command of the C example. The caller may add options.
pub(crate) fn ours(glacier: &Glacier, file: &Path, part_size: u64, workers: u64) -> Command {
    let mut command = program(target_dir().join("examples-c/upload"));
    command.arg(format!("--endpoint={}", glacier.endpoint));
    command.args([format!("--part-size={part_size}"), format!("--workers={workers}")]);
    if let Some(ca_file) = &glacier.ca_file {
        command.arg("--ca-file").arg(ca_file);
    }
    command.arg(VAULT).arg(file);
    command
}

/// Returns the command of a Python script in the environment of the client tests.
pub(crate) fn python(script: &str) -> Command {
    let mut command = program(target_dir().join("clients-venv/bin/python"));
    command.arg(root().join("benches/python").join(script));
    command
}

fn boto3(glacier: &Glacier, archive: &Archive, part_size: u64, workers: u64) -> Command {
    let mut command = python("boto3_upload.py");
    command.args([&glacier.endpoint, VAULT]).arg(&archive.path).args([part_size, workers].map(|n| n.to_string()));
    command.envs(glacier.ca_file.as_ref().map(|ca_file| ("AWS_CA_BUNDLE", ca_file)));
    command
}

fn sdk(glacier: &Glacier, archive: &Archive, part_size: u64, workers: u64) -> Result<Command> {
    let mut command = sibling("sdk")?;
    command.args([&glacier.endpoint, VAULT]).arg(&archive.path).args([part_size, workers].map(|n| n.to_string()));
    command.envs(glacier.ca_file.as_ref().map(|ca_file| ("SSL_CERT_FILE", ca_file)));
    Ok(command)
}

/// Checks that curl can upload the archive.
pub(crate) fn check_curl(archive: &Archive) -> std::result::Result<(), &'static str> {
    if archive.bytes > 4 * GIB {
        return Err("the file exceeds the maximum part size");
    }
    match Command::new("curl").arg("--aws-sigv4").arg("aws:amz").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(_) => Err("curl is too old to sign requests"),
        Err(_) => Err("curl is not installed"),
    }
}

/// Uploads with curl. Only the request of the part is measured.
fn curl(glacier: &Glacier, archive: &Archive) -> Result<Cost> {
    let uploads = format!("{}/-/vaults/{VAULT}/multipart-uploads", glacier.endpoint);
    let size = archive.bytes.next_power_of_two().max(MIB);
    let started = request(glacier, &["-X", "POST", "-H", &format!("x-amz-part-size: {size}"), &uploads])?;
    let upload = format!("{uploads}/{}", started.value("x-amz-multipart-upload-id")?);

    let path = archive.path.to_str().ok_or("a path that is not UTF-8")?;
    let range = format!("Content-Range: bytes 0-{}/*", archive.bytes - 1);
    let linear = format!("x-amz-content-sha256: {}", archive.linear);
    let tree = format!("x-amz-sha256-tree-hash: {}", archive.tree);
    let sent = request(glacier, &["-T", path, "-H", &range, "-H", &linear, "-H", &tree, &upload])?;

    let bytes = format!("x-amz-archive-size: {}", archive.bytes);
    request(glacier, &["-X", "POST", "-H", &bytes, "-H", &tree, &upload])?;
    Ok(sent.cost)
}

fn request(glacier: &Glacier, arguments: &[&str]) -> Result<Finished> {
    let mut command = program("curl");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.args(["-q", "-sS", "--fail-with-body", "-i", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:glacier"]);
    command.args(["--user", "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]);
    command.args(["-H", "x-amz-glacier-version: 2012-06-01"]);
    if let Some(ca_file) = &glacier.ca_file {
        command.arg("--cacert").arg(ca_file);
    }
    run(command.args(arguments))
}
