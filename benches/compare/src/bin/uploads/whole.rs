//! Complete uploads of one file, by every client.

use crate::archive::Archive;
use crate::child::{Candidate, Cost, candidate, measure as costs_of, median, ratio};
use crate::clients::{Client, check_curl};
use crate::floor::{self, Receiver};
use crate::glacier::Glacier;
use crate::{GIB, KIB, MIB, Result, Scratch, Settings, table};

const PART_SIZE: u64 = 16 * MIB;
const WORKERS: u64 = 4;

/// A row of a table: client, workers, part size in bytes. The first row is the reference.
type Row = (Client, u64, u64);

/// Workers and part sizes. The first is the default.
const VARIANTS: [(u64, u64); 6] =
    [(WORKERS, PART_SIZE), (1, PART_SIZE), (16, PART_SIZE), (WORKERS, MIB), (WORKERS, 128 * MIB), (WORKERS, 4 * GIB)];

/// Returns the rows: every client in every variant, grouped by variant.
fn rows() -> Vec<Row> {
    let clients = [Client::Ours, Client::Boto3, Client::Sdk];
    let of = |(workers, part_size)| clients.map(|client| (client, workers, part_size));
    let mut rows: Vec<_> = VARIANTS.into_iter().flat_map(of).collect();
    rows.push((Client::Curl, 1, 4 * GIB));
    rows
}

/// The maximum number of parts.
const PARTS_MAX: u64 = 10_000;

/// A local Glacier and the uploads to it.
struct Table<'a> {
    name: String,
    glacier: Glacier,
    archive: &'a Archive,
    rows: &'a [Row],
}

pub(crate) fn measure(settings: &Settings, scratch: &Scratch) -> Result<()> {
    let archive = Archive::create(scratch.path("archive"), settings.bytes)?;
    let rows = feasible_rows(&archive);
    let tables = |storage, what| -> Result<[Table<'_>; 2]> {
        let table = |scheme, tls| -> Result<Table<'_>> {
            let glacier = Glacier::start(scratch, tls, storage, &[])?;
            Ok(Table { name: format!("{scheme}, local Glacier that {what}"), glacier, archive: &archive, rows: &rows })
        };
        Ok([table("HTTP", false)?, table("HTTPS", true)?])
    };
    let counting = tables("count", "only counts")?;
    let receiver = Receiver::start()?;

    // In one measurement, so that each repetition includes all of them under the same conditions.
    let mut candidates = floor::candidates(&receiver, &counting[1].glacier, &archive, PART_SIZE)?;
    let names: Vec<_> = candidates.iter().map(|candidate| candidate.name.clone()).collect();
    candidates.extend(uploads(&counting));
    let costs = costs_of(settings.repetitions, &mut candidates)?;
    let (floor, costs) = costs.split_at(names.len());
    print(&counting, costs);
    floor::print(archive.bytes, &names, floor, &costs[0], &costs[rows.len()]);

    // The server's own hashing dominates the time, so one repetition is enough.
    let checking = tables("hashes", "checks all hashes")?;
    print(&checking, &costs_of(1, &mut uploads(&checking))?);
    Ok(())
}

/// Returns the rows that this machine can measure. Prints the reason for the others.
fn feasible_rows(archive: &Archive) -> Vec<Row> {
    let mut rows = rows();
    rows.retain(|&(client, workers, part_size)| {
        let obstacle = obstacle((client, workers, part_size), archive);
        if let Some(why) = &obstacle {
            println!("\nSkipped: {} ({workers} workers, part size {}): {why}.", client.name(), size(part_size));
        }
        obstacle.is_none()
    });
    rows
}

fn obstacle((client, workers, part_size): Row, archive: &Archive) -> Option<String> {
    let parts = archive.bytes.div_ceil(part_size);
    let held = parts.min(workers) * part_size.min(archive.bytes);
    match client {
        Client::Curl => check_curl(archive).err().map(str::to_owned),
        _ if parts > PARTS_MAX => Some(format!("more than {PARTS_MAX} parts")),
        // The file must stay in the page cache as well.
        Client::Boto3 | Client::Sdk if held + archive.bytes > memory_available() => {
            Some(format!("it needs {} of memory, more than is available", size(held)))
        }
        _ => None,
    }
}

/// Returns the available memory in bytes; `u64::MAX` if the system does not report it.
fn memory_available() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        info.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map_or(u64::MAX, |kib: u64| kib * KIB)
}

fn uploads<'a>(tables: &'a [Table<'_>]) -> Vec<Candidate<'a>> {
    let of = |table: &'a Table<'_>| table.rows.iter().map(|row| upload(&table.glacier, table.archive, *row));
    tables.iter().flat_map(of).collect()
}

fn upload<'a>(glacier: &'a Glacier, archive: &'a Archive, (client, workers, part_size): Row) -> Candidate<'a> {
    let candidate = candidate(client.name(), move || client.upload(glacier, archive, part_size, workers));
    // No target refers to other clients with settings other than the default.
    match client {
        Client::Boto3 | Client::Sdk if (workers, part_size) != VARIANTS[0] => candidate.only_once(),
        _ => candidate,
    }
}

/// Prints the tables. `costs` has their rows in order.
fn print(tables: &[Table<'_>], costs: &[Vec<Cost>]) {
    for (table, own) in tables.iter().zip(costs.chunks(tables[0].rows.len())) {
        print_one(table, own);
    }
}

fn print_one(Table { name, archive, rows, .. }: &Table<'_>, costs: &[Vec<Cost>]) {
    let (reference, bytes) = (&costs[0], archive.bytes);
    let line = |((client, workers, part_size), own): (&Row, &Vec<Cost>)| {
        vec![
            format!("{:.2}", ratio(own, reference, |cost| cost.cpu)),
            format!("{:.2}", ratio(own, reference, |cost| cost.wall)),
            format!("{:.2}", ratio(own, reference, |cost| cost.peak as f64)),
            format!("{:.3}", median(own, |cost| cost.cpu) * GIB as f64 / bytes as f64),
            format!("{:.2}", median(own, |cost| cost.wall)),
            format!("{:.0}", median(own, |cost| cost.peak as f64) / MIB as f64),
            own.len().to_string(),
            workers.to_string(),
            size(*part_size),
            client.name().to_owned(),
        ]
    };
    let header =
        ["CPU ×", "wall ×", "memory ×", "CPU s/GiB", "wall s", "peak MiB", "runs", "workers", "parts", "client"];
    let title = format!("{}, {name} (× the first row)", size(bytes));
    table::print(&title, &header, &rows.iter().zip(costs).map(line).collect::<Vec<_>>());
}

/// Formats a size, such as "16 MiB".
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        GIB.. if bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        _ => format!("{} MiB", bytes / MIB),
    }
}
