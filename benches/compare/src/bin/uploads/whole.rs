//! Uploads of one file from beginning to end, by everybody.

use crate::archive::Archive;
use crate::child::{Cost, Way, measure as costs_of, median, ratio, way};
use crate::clients::{Client, check_curl};
use crate::floor::{self, Receiver};
use crate::glacier::Glacier;
use crate::{GIB, KIB, MIB, Result, Scratch, Settings, table};

const PART: u64 = 16 * MIB;
const WORKERS: u64 = 4;

/// What is put to a Glacier, and how: client, workers, bytes of a part. All is measured by the first.
type Row = (Client, u64, u64);

/// The first is the usual. Each number of workers and each size of parts once.
const WAYS: [(u64, u64); 6] =
    [(WORKERS, PART), (1, PART), (16, PART), (WORKERS, MIB), (WORKERS, 128 * MIB), (WORKERS, 4 * GIB)];

/// Every client in all ways, those of one way beside each other.
fn rows() -> Vec<Row> {
    let clients = [Client::Ours, Client::Boto3, Client::Sdk];
    let of = |(workers, part_size)| clients.map(|client| (client, workers, part_size));
    let mut rows: Vec<_> = WAYS.into_iter().flat_map(of).collect();
    rows.push((Client::Curl, 1, 4 * GIB));
    rows
}

/// The most parts that an upload may have.
const PARTS_MAX: u64 = 10_000;

/// One Glacier, and what is uploaded to it.
struct Table<'a> {
    name: String,
    glacier: Glacier,
    archive: &'a Archive,
    rows: &'a [Row],
}

pub(crate) fn measure(settings: &Settings, scratch: &Scratch) -> Result<()> {
    let archive = Archive::make(scratch.path("archive"), settings.bytes)?;
    let rows = rows_without_obstacle(&archive);
    let tables = |storage, what| -> Result<[Table<'_>; 2]> {
        let table = |scheme, tls| -> Result<Table<'_>> {
            let glacier = Glacier::start(scratch, tls, storage, &[])?;
            Ok(Table { name: format!("{scheme}, to the Glacier that {what}"), glacier, archive: &archive, rows: &rows })
        };
        Ok([table("HTTP", false)?, table("HTTPS", true)?])
    };
    let counting = tables("count", "only counts")?;
    let receiver = Receiver::start()?;

    // All at once, so that every repetition has each of them, and the figures of the floor are of the same minutes.
    let mut ways = floor::ways(&receiver, &counting[1].glacier, &archive, PART)?;
    let names: Vec<_> = ways.iter().map(|way| way.name.clone()).collect();
    ways.extend(uploads(&counting));
    let costs = costs_of(settings.repetitions, &mut ways)?;
    let (pieces, costs) = costs.split_at(names.len());
    print(&counting, costs);
    floor::print(archive.bytes, &names, pieces, &costs[0], &costs[rows.len()]);

    // A server that hashes everything as servers do is what takes the time here, so once is enough.
    let checking = tables("hashes", "checks all hashes")?;
    print(&checking, &costs_of(1, &mut uploads(&checking))?);
    Ok(())
}

/// The rows that can be measured here. Of the others it says why not.
fn rows_without_obstacle(archive: &Archive) -> Vec<Row> {
    let mut rows = rows();
    rows.retain(|&(client, workers, part_size)| {
        let obstacle = obstacle((client, workers, part_size), archive);
        if let Some(why) = &obstacle {
            println!("\nLeft out: {} (workers {workers}, parts of {}): {why}.", client.name(), size(part_size));
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
        // The file is to stay in the page cache beside them.
        Client::Boto3 | Client::Sdk if held + archive.bytes > memory_available() => {
            Some(format!("it holds {} in memory, and there is not enough of it", size(held)))
        }
        _ => None,
    }
}

/// In bytes; no end of it where the system does not say.
fn memory_available() -> u64 {
    let said = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        said.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map_or(u64::MAX, |kib: u64| kib * KIB)
}

fn uploads<'a>(tables: &'a [Table<'_>]) -> Vec<Way<'a>> {
    let of = |table: &'a Table<'_>| table.rows.iter().map(|row| upload(&table.glacier, table.archive, *row));
    tables.iter().flat_map(of).collect()
}

fn upload<'a>(glacier: &'a Glacier, archive: &'a Archive, (client, workers, part_size): Row) -> Way<'a> {
    let way = way(client.name(), move || client.upload(glacier, archive, part_size, workers));
    // How others do with what is not their usual is no figure that the library is held to.
    match client {
        Client::Boto3 | Client::Sdk if (workers, part_size) != WAYS[0] => way.only_once(),
        _ => way,
    }
}

/// The tables one after the other, whose costs stand in one row.
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
    let title = format!("{}, {name} (× the first)", size(bytes));
    table::print(&title, &header, &rows.iter().zip(costs).map(line).collect::<Vec<_>>());
}

/// Such as "16 MiB".
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        GIB.. if bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        _ => format!("{} MiB", bytes / MIB),
    }
}
