//! What no upload can do without, each measured alone, and how far the library is above it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use glacier_mp::treehash::Kernels;

use crate::archive::Archive;
use crate::child::{Cost, Way, median, ratio, sibling, start, timed_by_itself};
use crate::glacier::Glacier;
use crate::{GIB, Result, table};

/// A process that takes bytes and forgets them. It ends with this.
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

/// The pieces, in the order in which [`print`] takes their costs.
pub(crate) fn ways<'a>(receiver: &Receiver, tls: &Glacier, archive: &Archive, part_size: u64) -> Result<Vec<Way<'a>>> {
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
        timed_by_itself(format!("both hashes, parts at once: {at_once}"), hash),
        timed_by_itself("TLS", encrypt),
        timed_by_itself("the socket", send),
        timed_by_itself("the file, from the page cache", read),
    ])
}

/// The pieces, their sums, and the library's uploads over HTTP and HTTPS against these.
pub(crate) fn print(bytes: u64, names: &[String], pieces: &[Vec<Cost>], http: &[Cost], https: &[Cost]) {
    let [hash, tls, socket, file] = pieces else { return };
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
    for (name, costs) in names.iter().zip(pieces) {
        rows.push(vec![String::new(), String::new(), per_gib(costs), format!("alone: {name}")]);
    }
    let title = "The floor: 4 workers, parts of 16 MiB, to the Glacier that counts (× the sum of its pieces)";
    table::print(title, &["CPU ×", "with the file ×", "CPU s/GiB", "what"], &rows);
}
