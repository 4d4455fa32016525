//! Complete uploads to a local Glacier, compared with other clients. Prints tables, ratios first. `make bench` builds all
//! required programs.
//!
//! Environment: `BENCH_BYTES`, the size of the file (4 GiB); `BENCH_REPETITIONS`, whose medians are printed (3);
//! `BENCH_QUICK` runs everything once at a small size, as a check. `uploads [SECTION]...` runs only these sections.

mod archive;
mod child;
mod choices;
mod clients;
mod floor;
mod glacier;
mod many;
mod memory;
mod preparation;
mod table;
mod whole;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The size of the measurements.
struct Settings {
    /// The size of the uploaded file, in bytes.
    bytes: u64,
    repetitions: usize,
    /// Small sizes: the figures are meaningless.
    quick: bool,
}

impl Settings {
    fn from_environment() -> Result<Self> {
        let quick = env::var("BENCH_QUICK").is_ok_and(|value| !value.is_empty());
        let [bytes, repetitions] = if quick { [512 * MIB, 1] } else { [4 * GIB, 3] };
        Ok(Self {
            bytes: number("BENCH_BYTES", bytes)?.max(256 * MIB).next_multiple_of(4 * MIB),
            repetitions: usize::try_from(number("BENCH_REPETITIONS", repetitions)?.max(1))?,
            quick,
        })
    }
}

fn number(name: &str, default: u64) -> Result<u64> {
    let given = env::var(name).ok().filter(|text| !text.is_empty());
    given.map_or(Ok(default), |text| text.parse().map_err(|_| format!("{name} must be a number, not {text}").into()))
}

/// The directory for the files of this run, removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let directory = target_dir().join("bench");
        // Left by a run that was killed.
        _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns cargo's target directory. The Makefile sets the variable.
fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Returns the root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn main() -> ExitCode {
    if let Err(error) = run() {
        eprintln!("uploads: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run() -> Result<()> {
    let settings = Settings::from_environment()?;
    let sections = sections()?;
    let scratch = Scratch::new()?;
    let repetitions = settings.repetitions;
    println!(
        "\nMedians of {repetitions} repetitions unless measured once; load {} at the start; {}.",
        compare::load(),
        machine()
    );
    if settings.quick {
        println!("Quick run: a check that the benchmarks work; the figures are meaningless.");
    }
    for (_, measure) in sections {
        measure(&settings, &scratch)?;
    }
    Ok(())
}

type Section = (&'static str, fn(&Settings, &Scratch) -> Result<()>);

/// Returns the requested sections, or all.
fn sections() -> Result<Vec<Section>> {
    let all: [Section; 5] = [
        ("preparation", preparation::measure),
        ("whole", whole::measure),
        ("many", many::measure),
        ("memory", memory::measure),
        ("choices", choices::measure),
    ];
    let requested: Vec<_> = env::args().skip(1).collect();
    if let Some(unknown) = requested.iter().find(|section| all.iter().all(|(name, _)| name != section)) {
        return Err(format!("unknown section {unknown}: use {}", all.map(|(name, _)| name).join(", ")).into());
    }
    Ok(all
        .into_iter()
        .filter(|(name, _)| requested.is_empty() || requested.iter().any(|section| section == name))
        .collect())
}

/// Describes the machine.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = std::thread::available_parallelism().map_or(0, |count| count.get());
    format!("{count} × {}", model.map_or("an unknown processor", |(_, name)| name))
}
