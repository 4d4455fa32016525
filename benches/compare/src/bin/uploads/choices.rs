//! The user's settings with a distant service: workers, part size and memory limit.
//!
//! A distant service is simulated by limited bandwidth per connection and a delayed response to each part.

use std::path::Path;

use crate::archive::create_sparse_and_read;
use crate::child::{Candidate, Cost, candidate, measure as costs_of, median, ratio, run};
use crate::clients::ours;
use crate::glacier::Glacier;
use crate::whole::size;
use crate::{GIB, MIB, Result, Scratch, Settings, table};

/// The library's defaults. Each table varies one of them.
const WORKERS: u64 = 8;
const PART_SIZE: u64 = 16 * MIB;
const MEMORY_LIMIT: u64 = 256 * MIB;

pub(crate) fn measure(settings: &Settings, scratch: &Scratch) -> Result<()> {
    let far = DistantService::start(settings, scratch)?;
    let file = scratch.path("far");
    println!("\nDistant service: {}.", far.description());
    workers(&far, &file)?;
    let bytes = far.create_file(&file, WORKERS)?;
    part_sizes(&far, &file, bytes)?;
    memory_limits("distant service, measured once", &far.glacier, &file, bytes, 1)?;

    let near = Glacier::start(scratch, true, "count", &[])?;
    let bytes = settings.bytes / 2;
    create_sparse_and_read(&file, bytes)?;
    memory_limits("local service", &near, &file, bytes, settings.repetitions)
}

fn workers(far: &DistantService, file: &Path) -> Result<()> {
    let mut rows = Vec::new();
    for workers in [1, 2, 4, 8, 16] {
        let bytes = far.create_file(file, workers)?;
        let cost = upload(&far.glacier, file, PART_SIZE, workers, MEMORY_LIMIT)?;
        rows.push(far.row(workers, bytes, cost, workers.to_string()));
    }
    let title = format!(
        "Workers, distant service, measured once: part size {} (× bandwidth of the connections)",
        size(PART_SIZE)
    );
    table::print(&title, &["MiB/s ×", "MiB/s", "workers"], &rows);
    Ok(())
}

fn part_sizes(far: &DistantService, file: &Path, bytes: u64) -> Result<()> {
    let mut rows = Vec::new();
    for part_size in [MIB, 4 * MIB, 16 * MIB, 64 * MIB] {
        let cost = upload(&far.glacier, file, part_size, WORKERS, MEMORY_LIMIT)?;
        rows.push(far.row(WORKERS, bytes, cost, size(part_size)));
    }
    let title =
        format!("Part sizes, distant service, measured once: {WORKERS} workers (× bandwidth of the connections)");
    table::print(&title, &["MiB/s ×", "MiB/s", "parts"], &rows);
    Ok(())
}

fn memory_limits(service: &str, glacier: &Glacier, file: &Path, bytes: u64, repetitions: usize) -> Result<()> {
    let limits = [MEMORY_LIMIT, MEMORY_LIMIT / 2, MEMORY_LIMIT / 4, MEMORY_LIMIT / 8];
    let by = |limit| candidate(size(limit), move || upload(glacier, file, PART_SIZE, WORKERS, limit));
    let mut candidates = limits.map(by);
    let costs = costs_of(repetitions, &mut candidates)?;
    let row = |(candidate, own): (&Candidate<'_>, &Vec<Cost>)| {
        vec![
            format!("{:.2}", ratio(own, &costs[0], |cost| cost.cpu)),
            format!("{:.3}", median(own, |cost| cost.cpu) * GIB as f64 / bytes as f64),
            format!("{:.0}", median(own, |cost| cost.peak as f64) / MIB as f64),
            format!("{:.0}", bytes as f64 / median(own, |cost| cost.wall) / MIB as f64),
            candidate.name.clone(),
        ]
    };
    let rows: Vec<_> = candidates.iter().zip(&costs).map(row).collect();
    let title = format!("Memory limits, {service}: {WORKERS} workers, part size {} (× the first row)", size(PART_SIZE));
    table::print(&title, &["CPU ×", "CPU s/GiB", "peak MiB", "MiB/s", "limit"], &rows);
    Ok(())
}

fn upload(glacier: &Glacier, file: &Path, part_size: u64, workers: u64, memory_limit: u64) -> Result<Cost> {
    let mut upload = ours(glacier, file, part_size, workers);
    Ok(run(upload.arg(format!("--memory={memory_limit}")))?.cost)
}

/// A local Glacier that simulates a distant service.
struct DistantService {
    glacier: Glacier,
    /// The bandwidth of a connection, in bytes per second.
    per_connection: u64,
    /// The delay of the response to a part, in milliseconds.
    response_delay: u64,
    parts_per_worker: u64,
}

impl DistantService {
    fn start(settings: &Settings, scratch: &Scratch) -> Result<Self> {
        let (per_connection, response_delay) = (8 * MIB, 100);
        let fault = format!(
            r#"{{"operation": "UploadMultipartPart", "times": null,
                "action": {{"kind": "slow", "bytes_per_second": {per_connection}}},
                "and": [{{"kind": "delay_answer", "millis": {response_delay}}}]}}"#
        );
        let glacier = Glacier::start(scratch, true, "count", &["--fault", &fault])?;
        Ok(Self { glacier, per_connection, response_delay, parts_per_worker: if settings.quick { 1 } else { 4 } })
    }

    /// Describes the simulation.
    fn description(&self) -> String {
        let each = self.per_connection / MIB;
        format!("HTTPS, {each} MiB/s per connection, response {} ms after each part", self.response_delay)
    }

    /// Creates a file with the same number of parts for each worker. Returns its size in bytes.
    fn create_file(&self, path: &Path, workers: u64) -> Result<u64> {
        let bytes = workers * self.parts_per_worker * PART_SIZE;
        create_sparse_and_read(path, bytes)?;
        Ok(bytes)
    }

    fn row(&self, workers: u64, bytes: u64, cost: Cost, name: String) -> Vec<String> {
        let speed = bytes as f64 / cost.wall;
        let share = speed / (workers * self.per_connection) as f64;
        vec![format!("{share:.2}"), format!("{:.1}", speed / MIB as f64), name]
    }
}
