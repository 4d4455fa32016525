//! `glacier-mp plan`.

use glacier_mp::plan::Plan;
use serde_json::json;

use crate::args::PlanArgs;
use crate::console::{Output, count, shown_path};
use crate::exit::{Exit, Failure, Result};
use crate::files::metadata_of;
use crate::size::show_size;

/// Runs the subcommand.
///
/// # Errors
/// The file does not exist or is of another kind; the sizes are not allowed.
pub(crate) fn run(args: &PlanArgs, output: &Output) -> Result<Exit> {
    let size = match (&args.file, args.size) {
        (Some(path), _) => {
            let metadata = metadata_of(path);
            metadata.map_err(|cause| Failure::new(format!("cannot plan for {}: {cause}", shown_path(path))))?.len()
        }
        (None, size) => size.unwrap_or_default(),
    };
    // Without a file, the options alone decide.
    let plan = Plan::new(size, args.part_size);
    let plan = plan.map_err(|error| if args.file.is_some() { error.into() } else { Failure::of_option(error) })?;
    let last = size - u64::from(plan.part_count() - 1) * plan.part_size();
    let memory = plan.memory(args.concurrency);
    if args.json {
        output.json(&json!({
            "size": size, "part_size": plan.part_size(), "parts": plan.part_count(), "last_part_size": last,
            "requests": plan.request_count(), "memory": memory,
        }));
        return Ok(Exit::Done);
    }
    for (name, value) in [
        ("size", format!("{size} bytes ({})", show_size(size))),
        ("part size", format!("{} bytes ({})", plan.part_size(), show_size(plan.part_size()))),
        ("parts", plan.part_count().to_string()),
        ("last part", format!("{last} bytes ({})", show_size(last))),
        ("requests", format!("{}, without retries", plan.request_count())),
        (
            "memory",
            format!(
                "{} for {} in flight, without reading a part twice",
                show_size(memory),
                count(args.concurrency.into(), "part")
            ),
        ),
    ] {
        output.line(&format!("{name:10} {value}"));
    }
    Ok(Exit::Done)
}
