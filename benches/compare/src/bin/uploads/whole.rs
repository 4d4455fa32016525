//! Uploads of one file from beginning to end, by everybody.

use crate::archive::Archive;
use crate::child::{Cost, Way, measure as costs_of, median, ratio, way};
use crate::clients::{Client, check_curl};
use crate::floor::{self, Receiver};
use crate::glacier::Glacier;
use crate::{GIB, MIB, Result, Scratch, Settings, table};

const PART: u64 = 16 * MIB;
const WORKERS: u64 = 4;

/// What is put to a Glacier, and how: client, workers, bytes of a part. All is measured by the first.
type Row = (Client, u64, u64);

const REFERENCE: Row = (Client::Ours, WORKERS, PART);

/// Beside boto3 and the crate at their usual, each number of workers and each size of parts once.
const ALL: [Row; 9] = [
    REFERENCE,
    (Client::Boto3, WORKERS, PART),
    (Client::Sdk, WORKERS, PART),
    (Client::Curl, 1, 4 * GIB),
    (Client::Ours, 1, PART),
    (Client::Ours, 16, PART),
    (Client::Ours, WORKERS, MIB),
    (Client::Ours, WORKERS, 128 * MIB),
    (Client::Ours, WORKERS, 4 * GIB),
];

/// The most parts that an upload may have.
const PARTS_MAX: u64 = 10_000;

/// Each client once.
const FEW: [Row; 3] = [REFERENCE, (Client::Boto3, WORKERS, PART), (Client::Sdk, WORKERS, PART)];

/// One Glacier, and what is uploaded to it.
struct Table<'a> {
    name: &'static str,
    glacier: Glacier,
    archive: &'a Archive,
    rows: Vec<Row>,
}

pub(crate) fn measure(settings: &Settings, scratch: &Scratch) -> Result<()> {
    let whole = Archive::make(scratch.path("archive"), settings.bytes)?;
    // A server that hashes everything as servers do is what takes the time.
    let quarter = Archive::make(scratch.path("quarter"), settings.bytes / 4)?;
    let curl = check_curl(&whole);
    if let Err(why) = curl {
        println!("\nWithout curl: {why}.");
    }
    let table = |name, tls, storage, archive, rows: &[Row]| -> Result<Table<'_>> {
        let fits = |(client, _, part_size): &Row| match client {
            Client::Curl => curl.is_ok(),
            _ => whole.bytes.div_ceil(*part_size) <= PARTS_MAX,
        };
        let rows = rows.iter().copied().filter(fits).collect();
        Ok(Table { name, glacier: Glacier::start(scratch, tls, storage, &[])?, archive, rows })
    };
    let tables = [
        table("HTTP, to the Glacier that only counts", false, "count", &whole, &ALL)?,
        table("HTTPS, to the Glacier that only counts", true, "count", &whole, &ALL)?,
        table("HTTP, to the Glacier that checks all hashes", false, "hashes", &quarter, &FEW)?,
        table("HTTPS, to the Glacier that checks all hashes", true, "hashes", &quarter, &FEW)?,
    ];
    let receiver = Receiver::start()?;

    // All at once, so that every repetition has each of them, and the figures of the floor are of the same minutes.
    let mut ways = floor::ways(&receiver, &tables[1].glacier, &whole, PART)?;
    let pieces = ways.len();
    for Table { glacier, archive, rows, .. } in &tables {
        ways.extend(rows.iter().map(|row| upload(glacier, archive, *row)));
    }
    let costs = costs_of(settings.repetitions, &mut ways)?;

    let (pieces, mut uploads) = costs.split_at(pieces);
    let mut references = Vec::new();
    for table in &tables {
        let (own, others) = uploads.split_at(table.rows.len());
        print(table, own);
        references.push(&own[0]);
        uploads = others;
    }
    let names: Vec<_> = ways[..pieces.len()].iter().map(|way| way.name.as_str()).collect();
    floor::print(whole.bytes, &names, pieces, references[0], references[1]);
    Ok(())
}

fn upload<'a>(glacier: &'a Glacier, archive: &'a Archive, (client, workers, part_size): Row) -> Way<'a> {
    way(client.name(), move || client.upload(glacier, archive, part_size, workers))
}

fn print(Table { name, archive, rows, .. }: &Table<'_>, costs: &[Vec<Cost>]) {
    let (reference, bytes) = (&costs[0], archive.bytes);
    let line = |((client, workers, part_size), own): (&Row, &Vec<Cost>)| {
        vec![
            format!("{:.2}", ratio(own, reference, |cost| cost.cpu)),
            format!("{:.2}", ratio(own, reference, |cost| cost.wall)),
            format!("{:.2}", ratio(own, reference, |cost| cost.peak as f64)),
            format!("{:.3}", median(own, |cost| cost.cpu) * GIB as f64 / bytes as f64),
            format!("{:.2}", median(own, |cost| cost.wall)),
            format!("{:.0}", median(own, |cost| cost.peak as f64) / MIB as f64),
            workers.to_string(),
            size(*part_size),
            client.name().to_owned(),
        ]
    };
    let header = ["CPU ×", "wall ×", "memory ×", "CPU s/GiB", "wall s", "peak MiB", "workers", "parts", "client"];
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
