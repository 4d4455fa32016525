//! Child processes and their cost. Each measurement runs in its own process. This process stays small, because a child
//! starts with the peak memory of its parent.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use wait4::Wait4;

use crate::{Result, target_dir};

/// The cost of a program, including its threads and children.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// CPU seconds.
    pub(crate) cpu: f64,
    /// Wall-clock seconds.
    pub(crate) wall: f64,
    /// Peak memory in bytes.
    pub(crate) peak: u64,
}

/// A program that has ended.
pub(crate) struct Finished {
    pub(crate) cost: Cost,
    output: String,
}

impl Finished {
    /// Returns the value of an output line "name: value".
    pub(crate) fn value(&self, name: &str) -> Result<&str> {
        let value = self.output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.ok_or_else(|| format!("the output lacks {name}:\n{}", self.output).into())
    }

    /// Returns the number of an output line "name: number".
    pub(crate) fn number(&self, name: &str) -> Result<f64> {
        Ok(self.value(name)?.trim().parse()?)
    }
}

/// Returns a command whose environment has only the keys and region of the local Glacier.
pub(crate) fn program(path: impl AsRef<Path>) -> Command {
    let mut command = Command::new(path.as_ref());
    command.env_clear().stdin(Stdio::null());
    command.envs([
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    command
}

/// Returns a command for a program in the directory of this one.
pub(crate) fn sibling(name: &str) -> Result<Command> {
    Ok(program(std::env::current_exe()?.with_file_name(name)))
}

/// Starts a program.
pub(crate) fn start(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()).into())
}

/// Runs a program to its end. Fails if the program fails.
pub(crate) fn run(command: &mut Command) -> Result<Finished> {
    let stderr = target_dir().join("bench/stderr");
    let started = Instant::now();
    let mut child = start(command.stdout(Stdio::piped()).stderr(File::create(&stderr)?))?;
    let mut output = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut output)?;
    }
    let usage = child.wait4()?;
    let wall = started.elapsed().as_secs_f64();
    if !usage.status.success() {
        let stderr = std::fs::read_to_string(stderr)?;
        return Err(format!("{}: {}\n{output}{stderr}", command.get_program().display(), usage.status).into());
    }
    let cpu = (usage.rusage.utime + usage.rusage.stime).as_secs_f64();
    Ok(Finished { cost: Cost { cpu, wall, peak: usage.rusage.maxrss }, output })
}

/// A candidate in a benchmark.
pub(crate) struct Candidate<'a> {
    pub(crate) name: String,
    only_once: bool,
    run: Box<dyn FnMut() -> Result<Cost> + 'a>,
}

impl Candidate<'_> {
    /// Measures this candidate in the first repetition only.
    pub(crate) fn only_once(self) -> Self {
        Self { only_once: true, ..self }
    }
}

/// Creates a candidate with its name in the table.
pub(crate) fn candidate<'a>(name: impl Into<String>, run: impl FnMut() -> Result<Cost> + 'a) -> Candidate<'a> {
    Candidate { name: name.into(), only_once: false, run: Box::new(run) }
}

/// Creates a candidate from a program that prints its own CPU time.
pub(crate) fn self_timed<'a>(name: impl Into<String>, mut command: Command) -> Candidate<'a> {
    candidate(name, move || Ok(Cost { cpu: run(&mut command)?.number("cpu")?, ..Cost::default() }))
}

/// Measures the cost of each candidate in each repetition. Each repetition starts with a different candidate, so that other
/// load on the machine affects all of them equally.
pub(crate) fn measure(repetitions: usize, candidates: &mut [Candidate<'_>]) -> Result<Vec<Vec<Cost>>> {
    let mut costs = vec![Vec::with_capacity(repetitions); candidates.len()];
    for repetition in 0..repetitions {
        for offset in 0..candidates.len() {
            let index = (offset + repetition * candidates.len() / repetitions) % candidates.len();
            let candidate = &mut candidates[index];
            if repetition == 0 || !candidate.only_once {
                costs[index].push((candidate.run)().map_err(|error| format!("{}: {error}", candidate.name))?);
            }
        }
    }
    Ok(costs)
}

/// Returns the median of a figure.
pub(crate) fn median(costs: &[Cost], figure: impl Fn(&Cost) -> f64) -> f64 {
    compare::spread(costs.iter().map(figure))[1]
}

/// Returns the median of the ratios of a figure to that of a reference in the same repetition.
pub(crate) fn ratio(costs: &[Cost], reference: &[Cost], figure: impl Fn(&Cost) -> f64) -> f64 {
    compare::spread(costs.iter().zip(reference).map(|(own, other)| figure(own) / figure(other)))[1]
}
