//! Whole uploads to a local Glacier, beside others that do the same, and what there is to say about them: tables, ratios
//! first. `make bench` builds all that it runs.
//!
//! From the environment: `BENCH_BYTES`, the size of the file (4 GiB); `BENCH_REPETITIONS`, of which the medians are
//! printed (3); `BENCH_QUICK`, which makes all of it small and once, to see that it works. `uploads [SECTION]...` measures
//! these sections alone.

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

/// What is measured, and how much of it.
struct Settings {
    /// The bytes of the file that is uploaded.
    bytes: u64,
    repetitions: usize,
    /// All of it small: figures of no worth.
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

fn number(name: &str, otherwise: u64) -> Result<u64> {
    let given = env::var(name).ok().filter(|text| !text.is_empty());
    given.map_or(Ok(otherwise), |text| text.parse().map_err(|_| format!("{name} takes a number, not {text}").into()))
}

/// The directory for the files of this run. It goes with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let directory = target_dir().join("bench");
        // Of a run that was killed.
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

/// The directory that cargo builds in. The Makefile sets the variable.
fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The root of the repository.
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
        "\nMedians of {repetitions}, but for what is measured once; load {} at the start, on {}.",
        compare::load(),
        machine()
    );
    if settings.quick {
        println!("A quick run: it shows that all of this works, and no figure of it counts.");
    }
    for (_, measure) in sections {
        measure(&settings, &scratch)?;
    }
    Ok(())
}

type Section = (&'static str, fn(&Settings, &Scratch) -> Result<()>);

/// Those that are asked for; all, if none is.
fn sections() -> Result<Vec<Section>> {
    let all: [Section; 5] = [
        ("preparation", preparation::measure),
        ("whole", whole::measure),
        ("many", many::measure),
        ("memory", memory::measure),
        ("choices", choices::measure),
    ];
    let asked: Vec<_> = env::args().skip(1).collect();
    if let Some(unknown) = asked.iter().find(|asked| all.iter().all(|(name, _)| name != asked)) {
        return Err(format!("there is no section {unknown}, but {}", all.map(|(name, _)| name).join(", ")).into());
    }
    Ok(all.into_iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|asked| asked == name)).collect())
}

/// What the figures are of.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = std::thread::available_parallelism().map_or(0, |count| count.get());
    format!("{count} of {}", model.map_or("an unknown processor", |(_, name)| name))
}
