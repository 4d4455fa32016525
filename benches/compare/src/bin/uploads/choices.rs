//! What a user chooses where the service is far away: workers, part size and memory limit.
//!
//! Far away is where each connection carries so much and no more, and each part is answered late.

use std::path::Path;

use crate::archive::make_sparse_and_read;
use crate::child::{Cost, Way, measure as costs_of, median, ratio, run, way};
use crate::clients::ours;
use crate::glacier::Glacier;
use crate::whole::size;
use crate::{GIB, MIB, Result, Scratch, Settings, table};

/// The library's defaults. Each table changes one of them.
const WORKERS: u64 = 8;
const PART_SIZE: u64 = 16 * MIB;
const MEMORY_LIMIT: u64 = 256 * MIB;

pub(crate) fn measure(settings: &Settings, scratch: &Scratch) -> Result<()> {
    let far = Far::start(settings, scratch)?;
    let file = scratch.path("far");
    println!("\nFar away: {}.", far.line());
    workers(&far, &file)?;
    let bytes = far.make_file(&file, WORKERS)?;
    part_sizes(&far, &file, bytes)?;
    memory_limits("far away, once", &far.glacier, &file, bytes, 1)?;

    let near = Glacier::start(scratch, true, "count", &[])?;
    let bytes = settings.bytes / 2;
    make_sparse_and_read(&file, bytes)?;
    memory_limits("near", &near, &file, bytes, settings.repetitions)
}

fn workers(far: &Far, file: &Path) -> Result<()> {
    let mut rows = Vec::new();
    for workers in [1, 2, 4, 8, 16] {
        let bytes = far.make_file(file, workers)?;
        let cost = upload(&far.glacier, file, PART_SIZE, workers, MEMORY_LIMIT)?;
        rows.push(far.row(workers, bytes, cost, workers.to_string()));
    }
    let title = format!("Workers, far away, once: parts of {} (× what the connections carry)", size(PART_SIZE));
    table::print(&title, &["MiB/s ×", "MiB/s", "workers"], &rows);
    Ok(())
}

fn part_sizes(far: &Far, file: &Path, bytes: u64) -> Result<()> {
    let mut rows = Vec::new();
    for part_size in [MIB, 4 * MIB, 16 * MIB, 64 * MIB] {
        let cost = upload(&far.glacier, file, part_size, WORKERS, MEMORY_LIMIT)?;
        rows.push(far.row(WORKERS, bytes, cost, size(part_size)));
    }
    let title = format!("Part sizes, far away, once: {WORKERS} workers (× what the connections carry)");
    table::print(&title, &["MiB/s ×", "MiB/s", "parts"], &rows);
    Ok(())
}

fn memory_limits(line: &str, glacier: &Glacier, file: &Path, bytes: u64, repetitions: usize) -> Result<()> {
    let limits = [MEMORY_LIMIT, MEMORY_LIMIT / 2, MEMORY_LIMIT / 4, MEMORY_LIMIT / 8];
    let by = |limit| way(size(limit), move || upload(glacier, file, PART_SIZE, WORKERS, limit));
    let mut ways = limits.map(by);
    let costs = costs_of(repetitions, &mut ways)?;
    let row = |(way, own): (&Way<'_>, &Vec<Cost>)| {
        vec![
            format!("{:.2}", ratio(own, &costs[0], |cost| cost.cpu)),
            format!("{:.3}", median(own, |cost| cost.cpu) * GIB as f64 / bytes as f64),
            format!("{:.0}", median(own, |cost| cost.peak as f64) / MIB as f64),
            format!("{:.0}", bytes as f64 / median(own, |cost| cost.wall) / MIB as f64),
            way.name.clone(),
        ]
    };
    let rows: Vec<_> = ways.iter().zip(&costs).map(row).collect();
    let title = format!("Memory limits, {line}: {WORKERS} workers, parts of {} (× the first)", size(PART_SIZE));
    table::print(&title, &["CPU ×", "CPU s/GiB", "peak MiB", "MiB/s", "limit"], &rows);
    Ok(())
}

fn upload(glacier: &Glacier, file: &Path, part_size: u64, workers: u64, memory_limit: u64) -> Result<Cost> {
    let mut upload = ours(glacier, file, part_size, workers);
    Ok(run(upload.arg(format!("--memory={memory_limit}")))?.cost)
}

/// A local Glacier that behaves as if it were far away.
struct Far {
    glacier: Glacier,
    /// What a connection carries, in bytes a second.
    per_connection: u64,
    /// How late a part is answered, in milliseconds.
    answered_after: u64,
    parts_per_worker: u64,
}

impl Far {
    fn start(settings: &Settings, scratch: &Scratch) -> Result<Self> {
        let (per_connection, answered_after) = (8 * MIB, 100);
        let fault = format!(
            r#"{{"operation": "UploadMultipartPart", "times": null,
                "action": {{"kind": "slow", "bytes_per_second": {per_connection}}},
                "and": [{{"kind": "delay_answer", "millis": {answered_after}}}]}}"#
        );
        let glacier = Glacier::start(scratch, true, "count", &["--fault", &fault])?;
        Ok(Self { glacier, per_connection, answered_after, parts_per_worker: if settings.quick { 1 } else { 4 } })
    }

    /// What the figures are of.
    fn line(&self) -> String {
        let each = self.per_connection / MIB;
        format!("HTTPS, {each} MiB/s a connection, and each part answered {} ms after it has come", self.answered_after)
    }

    /// Makes a file of as many parts for each worker as for any other, and returns its bytes.
    fn make_file(&self, path: &Path, workers: u64) -> Result<u64> {
        let bytes = workers * self.parts_per_worker * PART_SIZE;
        make_sparse_and_read(path, bytes)?;
        Ok(bytes)
    }

    fn row(&self, workers: u64, bytes: u64, cost: Cost, name: String) -> Vec<String> {
        let speed = bytes as f64 / cost.wall;
        let share = speed / (workers * self.per_connection) as f64;
        vec![format!("{share:.2}"), format!("{:.1}", speed / MIB as f64), name]
    }
}
