//! The floor: the work that every upload requires, each kind measured alone, compared with the library.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use glacier_mp::treehash::Kernels;

use crate::archive::Archive;
use crate::child::{Candidate, Cost, median, ratio, self_timed, sibling, start};
use crate::glacier::Glacier;
use crate::{GIB, Result, table};

/// A process that receives and discards bytes. It ends on drop.
pub(crate) struct Receiver {
    address: String,
    process: Child,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let mut process = start(sibling("floor")?.arg("receive").stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut address = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut address)?;
        Ok(Self { address: address.trim().to_owned(), process })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.process.stdin = None;
        _ = self.process.wait();
    }
}

/// Returns the kinds of work, in the order in which [`print`] expects their costs.
pub(crate) fn candidates<'a>(
    receiver: &Receiver,
    tls: &Glacier,
    archive: &Archive,
    part_size: u64,
) -> Result<Vec<Candidate<'a>>> {
    let (bytes, part_size) = (archive.bytes.to_string(), part_size.to_string());
    let ca_file = tls.ca_file.as_ref().ok_or("a Glacier without TLS")?;
    let at_once = if Kernels::best().batch_policy().max() > 1 { "sixteen" } else { "one" };
    let mut hash = sibling("floor")?;
    hash.args(["hash", at_once, &part_size, &bytes]);
    let mut encrypt = sibling("floor")?;
    encrypt.args(["encrypt", &tls.endpoint]).arg(ca_file).arg(&bytes);
    let mut send = sibling("floor")?;
    send.args(["send", &receiver.address, &bytes]);
    let mut read = sibling("floor")?;
    read.arg("read").arg(&archive.path).arg(&part_size);
    Ok(vec![
        self_timed(format!("both hashes, {at_once} at a time"), hash),
        self_timed("TLS", encrypt),
        self_timed("socket", send),
        self_timed("file, from the page cache", read),
    ])
}

/// Prints the kinds of work, their sums, and the library's uploads over HTTP and HTTPS relative to these sums.
pub(crate) fn print(bytes: u64, names: &[String], work: &[Vec<Cost>], http: &[Cost], https: &[Cost]) {
    let [hash, tls, socket, file] = work else { return };
    let sum = |of: &[&Vec<Cost>]| -> Vec<Cost> {
        let one = |n: usize| Cost { cpu: of.iter().map(|costs| costs[n].cpu).sum(), ..Cost::default() };
        (0..hash.len()).map(one).collect()
    };
    let over_http = [sum(&[hash, socket]), sum(&[hash, socket, file])];
    let over_https = [sum(&[hash, tls, socket]), sum(&[hash, tls, socket, file])];
    let per_gib = |costs: &[Cost]| format!("{:.3}", median(costs, |cost| cost.cpu) * GIB as f64 / bytes as f64);
    let mut rows = Vec::new();
    for (name, own, [floor, with_file]) in [("HTTP", http, over_http), ("HTTPS", https, over_https)] {
        let times = |sum: &[Cost]| format!("{:.2}", ratio(own, sum, |cost| cost.cpu));
        rows.push(vec![times(&floor), times(&with_file), per_gib(own), format!("libglacier_mp over {name}")]);
        let sums = if name == "HTTP" { "hashes + socket" } else { "hashes + TLS + socket" };
        rows.push(vec![String::new(), String::new(), per_gib(&floor), format!("floor of {name}: {sums}")]);
    }
    for (name, costs) in names.iter().zip(work) {
        rows.push(vec![String::new(), String::new(), per_gib(costs), format!("alone: {name}")]);
    }
    let title = "The floor: 4 workers, part size 16 MiB, local Glacier with storage count (× the sum of the work)";
    table::print(title, &["CPU ×", "with the file ×", "CPU s/GiB", "what"], &rows);
}
