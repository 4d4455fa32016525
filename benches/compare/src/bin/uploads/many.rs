//! An upload of as many parts as there may be: whether the last cost more than the first, and what it takes to carry on.

use std::process::Command;

use crate::archive::make_sparse_and_read;
use crate::child::{Finished, program, run};
use crate::glacier::Glacier;
use crate::{MIB, Result, Scratch, Settings, table, target_dir};

pub(crate) fn measure(settings: &Settings, scratch: &Scratch) -> Result<()> {
    let parts = if settings.quick { 1_000 } else { 10_000 };
    let file = scratch.path("many-parts");
    make_sparse_and_read(&file, parts * MIB)?;
    let glacier = Glacier::start(scratch, false, "count", &[])?;
    let journal = scratch.path("journal");
    let watched = |mode: &str| {
        let mut command = watched(&glacier);
        command.arg(mode).arg(&file).args([MIB, 8].map(|n| n.to_string()));
        command
    };

    let whole = run(&mut watched("run"))?;
    let sent = run(watched("transfer").arg(&journal))?;
    let without_journal = run(watched("transfer").args(["", sent.value("upload-id")?]))?;
    let with_journal = run(watched("run").arg(&journal))?;
    for done in [&whole, &with_journal] {
        if glacier.count_of(parts * MIB, done.value("tree-hash")?)? != 2 {
            return Err("not both archives are there".into());
        }
    }

    let mut rows = Vec::new();
    for (name, unit) in [("the processor's time", "cpu-us"), ("from end to end", "wall-us")] {
        let [first, last] = [format!("first-{unit}"), format!("last-{unit}")];
        let (first, last) = (whole.number(&first)?, whole.number(&last)?);
        rows.push(vec![
            format!("{:.2}", last / first),
            format!("{first:.0}"),
            format!("{last:.0}"),
            format!("a part, {name}"),
        ]);
    }
    let header =
        ["last × first", "first tenth µs", "last tenth µs", "8 workers, HTTP, to the Glacier that only counts"];
    table::print(&format!("{parts} parts of 1 MiB"), &header, &rows);

    let whole_ms = whole.number("returned-ms")?;
    let line = |what: &str, milliseconds: f64, run: &Finished| -> Result<Vec<String>> {
        let mib = |name| run.number(name).map(|bytes| format!("{:.0}", bytes / MIB as f64));
        let share = format!("{:.4}", milliseconds / whole_ms);
        Ok(vec![share, format!("{milliseconds:.1}"), mib("bytes-hashed")?, mib("bytes-sent")?, what.to_owned()])
    };
    let rows = [
        line("the whole upload", whole_ms, &whole)?,
        line("of it: from the last part to Complete", whole.number("until-complete-ms")?, &whole)?,
        line("of it: Complete and its answer", whole.number("complete-ms")?, &whole)?,
        line(
            "carried on when all parts were there, with a journal, and completed",
            with_journal.number("returned-ms")?,
            &with_journal,
        )?,
        line("the same without journal, not completed", without_journal.number("returned-ms")?, &without_journal)?,
    ];
    let title = format!("{parts} parts: the end, and carrying on (× the whole upload)");
    table::print(&title, &["wall ×", "ms", "hashed MiB", "sent MiB", "what"], &rows);
    Ok(())
}

/// The program that has an upload watched by a thread beside it.
pub(crate) fn watched(glacier: &Glacier) -> Command {
    let mut command = program(target_dir().join("bench-c/watched"));
    command.env("AWS_ENDPOINT_URL_GLACIER", &glacier.endpoint);
    command.envs(glacier.ca_file.as_ref().map(|ca_file| ("CA_FILE", ca_file)));
    command
}
