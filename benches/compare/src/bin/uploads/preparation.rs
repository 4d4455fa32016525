//! Both hashes of parts, as every upload has to compute them before it sends anything.

use glacier_mp::treehash::Kernels;

use crate::child::{Way, measure as costs_of, median, ratio, sibling, timed_by_itself};
use crate::clients::python;
use crate::{GIB, MIB, Result, Scratch, Settings, table};

pub(crate) fn measure(settings: &Settings, _: &Scratch) -> Result<()> {
    let bytes = if settings.quick { 128 * MIB } else { 512 * MIB };
    let mut rows = Vec::new();
    for mib in [1, 16, 64, 128] {
        let part_size = mib * MIB;
        let mut ways = ways(part_size, bytes)?;
        let costs = costs_of(settings.repetitions, &mut ways)?;
        for (way, own) in ways.iter().zip(&costs) {
            rows.push(vec![
                format!("{:.2}", ratio(own, &costs[0], |cost| cost.cpu)),
                format!("{:.3}", median(own, |cost| cost.cpu) * GIB as f64 / bytes as f64),
                format!("{mib} MiB"),
                way.name.clone(),
            ]);
        }
    }
    let title = "Preparation of parts: linear and tree hash, one thread (× the library's, one part after the other)";
    table::print(title, &["CPU ×", "CPU s/GiB", "part", "by"], &rows);
    Ok(())
}

fn ways<'a>(part_size: u64, bytes: u64) -> Result<Vec<Way<'a>>> {
    let sizes = [part_size, bytes].map(|n| n.to_string());
    let mut ours = sibling("floor")?;
    ours.args(["hash", "one"]).args(&sizes);
    let mut ways = vec![timed_by_itself("the library's crate, part_hashes", ours)];
    // More than sixteen of these would not be in memory at once.
    if part_size <= 16 * MIB && Kernels::best().batch_policy().max() > 1 {
        let mut together = sibling("floor")?;
        together.args(["hash", "sixteen"]).args(&sizes);
        ways.push(timed_by_itself("the library's crate, sixteen parts together", together));
    }
    let mut botocore = python("botocore_checksums.py");
    botocore.args(&sizes);
    ways.push(timed_by_itself("botocore, add_glacier_checksums", botocore));
    Ok(ways)
}
