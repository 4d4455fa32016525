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

/// Where the server is what takes the time, each client once.
const FEW: [Row; 3] = [REFERENCE, (Client::Boto3, WORKERS, PART), (Client::Sdk, WORKERS, PART)];

pub(crate) fn measure(settings: &Settings, scratch: &Scratch, archive: &Archive) -> Result<()> {
    let mut tables = vec![
        (Glacier::start(scratch, false, "count", &[])?, "HTTP, to the Glacier that only counts", ALL.to_vec()),
        (Glacier::start(scratch, true, "count", &[])?, "HTTPS, to the Glacier that only counts", ALL.to_vec()),
        (Glacier::start(scratch, false, "hashes", &[])?, "HTTP, to the Glacier that checks all hashes", FEW.to_vec()),
        (Glacier::start(scratch, true, "hashes", &[])?, "HTTPS, to the Glacier that checks all hashes", FEW.to_vec()),
    ];
    if let Err(why) = check_curl(archive) {
        println!("\nWithout curl: {why}.");
        tables.iter_mut().for_each(|(_, _, rows)| rows.retain(|(client, ..)| *client != Client::Curl));
    }
    let fits = |part_size: u64| archive.bytes.div_ceil(part_size) <= PARTS_MAX;
    tables.iter_mut().for_each(|(_, _, rows)| rows.retain(|(_, _, part_size)| fits(*part_size)));
    let receiver = Receiver::start()?;

    // All at once, so that every repetition has each of them, and the figures of the floor are of the same minutes.
    let mut ways = floor::ways(&receiver, &tables[1].0, archive, PART)?;
    let pieces = ways.len();
    for (glacier, _, rows) in &tables {
        ways.extend(rows.iter().map(|row| upload(glacier, archive, *row)));
    }
    let costs = costs_of(settings.repetitions, &mut ways)?;

    let (pieces, mut uploads) = costs.split_at(pieces);
    let mut references = Vec::new();
    for (_, name, rows) in &tables {
        let (own, others) = uploads.split_at(rows.len());
        print(&format!("{}, {name} (× the first)", size(archive.bytes)), archive.bytes, rows, own);
        references.push(&own[0]);
        uploads = others;
    }
    let names: Vec<_> = ways[..pieces.len()].iter().map(|way| way.name.as_str()).collect();
    floor::print(archive.bytes, &names, pieces, references[0], references[1]);
    Ok(())
}

fn upload<'a>(glacier: &'a Glacier, archive: &'a Archive, (client, workers, part_size): Row) -> Way<'a> {
    way(client.name(), move || client.upload(glacier, archive, part_size, workers))
}

fn print(title: &str, bytes: u64, rows: &[Row], costs: &[Vec<Cost>]) {
    let reference = &costs[0];
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
    table::print(title, &header, &rows.iter().zip(costs).map(line).collect::<Vec<_>>());
}

/// Such as "16 MiB".
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        GIB.. if bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        _ => format!("{} MiB", bytes / MIB),
    }
}
