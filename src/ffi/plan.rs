//! `glacier_plan_t`: how an archive is divided into parts.

use super::args;
use super::boundary;
use super::error::glacier_error_t;
use super::infallible;
use super::result::glacier_result_t;
use crate::plan::Plan;

/// A plan: how an archive of a given size is divided into parts.
#[derive(Debug)]
pub struct glacier_plan_t(Plan);

/// Plans an archive of size bytes: 1 to 42,949,672,960,000.
///
/// part_size is as for glacier_upload_set_part_size, and size must need at most 10,000 parts of it. 0 selects the
/// default.
///
/// Results: GLACIER_E_INVALID (size, part_size or their combination not allowed). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_new(
    size: u64,
    part_size: u64,
    out: *mut *mut glacier_plan_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let out = args::Out::new(out, "out")?;
        let part_size = (part_size != 0).then_some(part_size);
        out.set(args::into_handle(glacier_plan_t(Plan::new(size, part_size)?)));
        Ok(())
    })
}

/// Returns the part size in bytes; the last part may be shorter. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_part_size(plan: *const glacier_plan_t) -> u64 {
    infallible::read(plan, 0, |plan| plan.0.part_size())
}

/// Returns the number of parts. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_part_count(plan: *const glacier_plan_t) -> u32 {
    infallible::read(plan, 0, |plan| plan.0.part_count())
}

/// Returns the number of charged requests of an upload without retries: initiate, one per part, complete. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_request_count(plan: *const glacier_plan_t) -> u32 {
    infallible::read(plan, 0, |plan| plan.0.request_count())
}

/// Returns the smallest memory limit in bytes, for glacier_config_set_memory_limit, with which no part is read twice
/// with this number of workers; 0 counts as 1. A lower limit also works: see there. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_memory(plan: *const glacier_plan_t, workers: u32) -> u64 {
    infallible::read(plan, 0, |plan| plan.0.memory(workers))
}

/// Frees a plan. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_free(plan: *mut glacier_plan_t) {
    infallible::run((), || drop(args::take_back(plan)));
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::super::result::glacier_result_names::*;
    use super::*;

    /// Returns the result, the part size and the number of parts.
    fn plan(size: u64, part_size: u64) -> (glacier_result_t, u64, u32) {
        let mut plan = ptr::null_mut();
        // SAFETY: the output has room for the plan.
        let result = unsafe { glacier_plan_new(size, part_size, &raw mut plan, ptr::null_mut()) };
        // SAFETY: the plan is NULL or alive.
        let part_size = unsafe { glacier_plan_part_size(plan) };
        // SAFETY: as above.
        let part_count = unsafe { glacier_plan_part_count(plan) };
        // SAFETY: as above, freed once.
        unsafe { glacier_plan_free(plan) };
        (result, part_size, part_count)
    }

    #[test]
    fn selects_part_size_for_zero_and_rejects_wrong_sizes() {
        assert_eq!(plan(16 << 20, 0), (0, 16 << 20, 1));
        assert_eq!(plan(10 << 20, 1 << 20), (0, 1 << 20, 10));
        assert_eq!(plan(10 << 20, 3 << 20), (GLACIER_E_INVALID as i32, 0, 0));
        assert_eq!(plan(0, 0), (GLACIER_E_INVALID as i32, 0, 0));
        // SAFETY: the function checks for a NULL output.
        let result = unsafe { glacier_plan_new(1, 0, ptr::null_mut(), ptr::null_mut()) };
        assert_eq!(result, GLACIER_E_NULL as i32);
    }
}
