//! Preparation: both hashes of each part, which every upload computes before it sends the part.

use glacier_mp::treehash::Kernels;

use crate::child::{Candidate, measure as costs_of, median, ratio, self_timed, sibling};
use crate::clients::python;
use crate::{GIB, MIB, Result, Scratch, Settings, table};

pub(crate) fn measure(settings: &Settings, _: &Scratch) -> Result<()> {
    let bytes = if settings.quick { 128 * MIB } else { 512 * MIB };
    let mut rows = Vec::new();
    for mib in [1, 16, 64, 128] {
        let part_size = mib * MIB;
        let mut candidates = candidates(part_size, bytes)?;
        let costs = costs_of(settings.repetitions, &mut candidates)?;
        for (candidate, own) in candidates.iter().zip(&costs) {
            rows.push(vec![
                format!("{:.2}", ratio(own, &costs[0], |cost| cost.cpu)),
                format!("{:.3}", median(own, |cost| cost.cpu) * GIB as f64 / bytes as f64),
                format!("{mib} MiB"),
                candidate.name.clone(),
            ]);
        }
    }
    let title = "Preparation of parts: linear and tree hash, one thread (× the library, one part at a time)";
    table::print(title, &["CPU ×", "CPU s/GiB", "part", "by"], &rows);
    Ok(())
}

fn candidates<'a>(part_size: u64, bytes: u64) -> Result<Vec<Candidate<'a>>> {
    let sizes = [part_size, bytes].map(|n| n.to_string());
    let mut ours = sibling("floor")?;
    ours.args(["hash", "one"]).args(&sizes);
    let mut candidates = vec![self_timed("the library's crate, part_hashes", ours)];
    // Larger parts would not fit in memory 16 at a time.
    if part_size <= 16 * MIB && Kernels::best().batch_policy().max() > 1 {
        let mut batch = sibling("floor")?;
        batch.args(["hash", "sixteen"]).args(&sizes);
        candidates.push(self_timed("the library's crate, 16 parts at a time", batch));
    }
    let mut botocore = python("botocore_checksums.py");
    botocore.args(&sizes);
    candidates.push(self_timed("botocore, add_glacier_checksums", botocore));
    Ok(candidates)
}
