//! The options of a transfer: journal, speed and display.

use std::path::PathBuf;

use clap::Args;

use super::state::StateArgs;
use super::values::path;
use crate::schedule::Schedule;
use crate::size::{count_in, parse_size};

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct TransferArgs {
    /// The journal of a single upload; standard input has a journal only by this option
    #[arg(long, value_name = "FILE", conflicts_with = "no_journal", value_parser = path())]
    pub(crate) journal: Option<PathBuf>,
    /// Keep no journal: another command can resume the upload only by its ID
    #[arg(long)]
    pub(crate) no_journal: bool,
    /// The maximum number of parts in flight for each file
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = count_in(1..=32))]
    pub(crate) concurrency: u32,
    /// The number of files that are uploaded at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = count_in(1..=16))]
    pub(crate) files_at_once: u32,
    /// The maximum memory for parts
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub(crate) memory: u64,
    /// The bandwidth limit in bytes per second, such as 5M, or a schedule such as 08:00-18:00=1M,*=0; 0 means no limit
    ///
    /// The times of a schedule are local. Without * the rest of the day has no limit.
    #[arg(long, value_name = "RATE", conflicts_with = "limit_file", value_parser = str::parse::<Schedule>)]
    pub(crate) limit_rate: Option<Schedule>,
    /// A file with the bandwidth limit or the schedule, which is read again when it changes
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(crate) limit_file: Option<PathBuf>,
    /// Show neither progress nor warnings
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show the steps of each upload
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Print one JSON object for each event, on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}
