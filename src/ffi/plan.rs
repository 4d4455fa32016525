//! `glacier_plan_t`: how an archive would be cut, before anything is sent.

use super::args;
use super::boundary;
use super::error::glacier_error_t;
use super::infallible;
use super::result::glacier_result_t;
use crate::plan::Plan;

/// How an archive of a given size is cut into parts: pure arithmetic, nothing is sent.
///
/// Freed by glacier_plan_free. It never changes, and any number of threads may read it at once.
#[derive(Debug)]
pub struct glacier_plan_t(Plan);

/// Plans an archive of size bytes: 1 to 42,949,672,960,000 (10,000 parts of 4 GiB).
///
/// part_size is in bytes: a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB), at which size makes no more
/// than 10,000 parts; or 0 for what glacier_upload_run chooses: the smallest that keeps to 10,000 parts, and not
/// below 16 MiB.
///
/// *out gets the plan; free it with glacier_plan_free. Any thread.
/// Results: GLACIER_OK; GLACIER_E_NULL (out); GLACIER_E_INVALID (size or part_size not allowed, or not together);
/// GLACIER_E_PANIC.
/// Source of the limits: Amazon Glacier developer guide, "Uploading Large Archives in Parts". Since: 0.1
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

/// The bytes of each part; the last may have less. 0 for NULL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_part_size(plan: *const glacier_plan_t) -> u64 {
    infallible::read(plan, 0, |plan| plan.0.part_size())
}

/// The number of parts. 0 for NULL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_part_count(plan: *const glacier_plan_t) -> u32 {
    infallible::read(plan, 0, |plan| plan.0.part_count())
}

/// The number of requests that the upload takes if none has to be repeated, which is what the service charges for:
/// one to initiate, one a part, one to complete. 0 for NULL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_request_count(plan: *const glacier_plan_t) -> u32 {
    infallible::read(plan, 0, |plan| plan.0.request_count())
}

/// The memory limit in bytes, for glacier_config_set_memory_limit, from which on no part has to be read twice with
/// that many workers. Less works as well: see there. 0 for NULL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_memory(plan: *const glacier_plan_t, workers: u32) -> u64 {
    infallible::read(plan, 0, |plan| plan.0.memory(workers))
}

/// Frees a plan. NULL is ignored. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_plan_free(plan: *mut glacier_plan_t) {
    infallible::run((), || drop(args::take_back(plan)));
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::super::result::glacier_result_names::*;
    use super::*;

    /// The result, and size and number of parts.
    fn plan(size: u64, part_size: u64) -> (glacier_result_t, u64, u32) {
        let mut plan = ptr::null_mut();
        // SAFETY: there is room for the plan.
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
    fn zero_lets_the_library_choose() {
        assert_eq!(plan(16 << 20, 0), (0, 16 << 20, 1));
        assert_eq!(plan(10 << 20, 1 << 20), (0, 1 << 20, 10));
        assert_eq!(plan(10 << 20, 3 << 20), (GLACIER_E_INVALID as i32, 0, 0));
        assert_eq!(plan(0, 0), (GLACIER_E_INVALID as i32, 0, 0));
        // SAFETY: a missing out is noticed.
        let result = unsafe { glacier_plan_new(1, 0, ptr::null_mut(), ptr::null_mut()) };
        assert_eq!(result, GLACIER_E_NULL as i32);
    }
}
