//! Programs, and what they cost. Whatever is measured runs as a process of its own, and this one stays small: a process
//! that is started counts the memory of the one that started it as its own peak.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use wait4::Wait4;

use crate::{Result, target_dir};

/// What a program took, its threads and what it started included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Seconds of the processor's time.
    pub(crate) cpu: f64,
    /// Seconds from its start to its end.
    pub(crate) wall: f64,
    /// The most bytes of memory it had at a time.
    pub(crate) peak: u64,
}

/// A program that has done its work.
pub(crate) struct Finished {
    pub(crate) cost: Cost,
    said: String,
}

impl Finished {
    /// What it said in a line "name: value".
    pub(crate) fn value(&self, name: &str) -> Result<&str> {
        let value = self.said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.ok_or_else(|| format!("it did not say {name}:\n{}", self.said).into())
    }

    /// The same, if it is a number.
    pub(crate) fn number(&self, name: &str) -> Result<f64> {
        Ok(self.value(name)?.trim().parse()?)
    }
}

/// A program, with the keys and the region of the local Glacier, and nothing else of the user's environment.
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

/// A program that was built beside this one.
pub(crate) fn sibling(name: &str) -> Result<Command> {
    Ok(program(std::env::current_exe()?.with_file_name(name)))
}

/// Starts it.
pub(crate) fn start(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()).into())
}

/// Runs it to its end. That it failed is an error.
pub(crate) fn run(command: &mut Command) -> Result<Finished> {
    let complaints = target_dir().join("bench/complaints");
    let began = Instant::now();
    let mut child = start(command.stdout(Stdio::piped()).stderr(File::create(&complaints)?))?;
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut said)?;
    }
    let used = child.wait4()?;
    let wall = began.elapsed().as_secs_f64();
    if !used.status.success() {
        let complaints = std::fs::read_to_string(complaints)?;
        return Err(format!("{}: {}\n{said}{complaints}", command.get_program().display(), used.status).into());
    }
    let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    Ok(Finished { cost: Cost { cpu, wall, peak: used.rusage.maxrss }, said })
}

/// One way to do something.
pub(crate) struct Way<'a> {
    pub(crate) name: String,
    only_once: bool,
    run: Box<dyn FnMut() -> Result<Cost> + 'a>,
}

impl Way<'_> {
    /// The same, but in the first repetition alone.
    pub(crate) fn only_once(self) -> Self {
        Self { only_once: true, ..self }
    }
}

/// A way, and what it is called in its table.
pub(crate) fn way<'a>(name: impl Into<String>, run: impl FnMut() -> Result<Cost> + 'a) -> Way<'a> {
    Way { name: name.into(), only_once: false, run: Box::new(run) }
}

/// A way that says itself what it took of the processor's time.
pub(crate) fn timed_by_itself<'a>(name: impl Into<String>, mut command: Command) -> Way<'a> {
    way(name, move || Ok(Cost { cpu: run(&mut command)?.number("cpu")?, ..Cost::default() }))
}

/// What each way costs in each of its repetitions. A repetition runs all of them, every time beginning with another: what else
/// the machine does meanwhile meets all alike.
pub(crate) fn measure(repetitions: usize, ways: &mut [Way<'_>]) -> Result<Vec<Vec<Cost>>> {
    let mut costs = vec![Vec::with_capacity(repetitions); ways.len()];
    for repetition in 0..repetitions {
        for turn in 0..ways.len() {
            let turn = (turn + repetition * ways.len() / repetitions) % ways.len();
            let way = &mut ways[turn];
            if repetition == 0 || !way.only_once {
                costs[turn].push((way.run)().map_err(|error| format!("{}: {error}", way.name))?);
            }
        }
    }
    Ok(costs)
}

/// The median of a figure.
pub(crate) fn median(costs: &[Cost], figure: impl Fn(&Cost) -> f64) -> f64 {
    compare::spread(costs.iter().map(figure))[1]
}

/// The median of how many times as much it is as another's in the same repetition.
pub(crate) fn ratio(costs: &[Cost], reference: &[Cost], figure: impl Fn(&Cost) -> f64) -> f64 {
    compare::spread(costs.iter().zip(reference).map(|(own, other)| figure(own) / figure(other)))[1]
}
