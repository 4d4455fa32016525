//! Part sizes, part counts and byte ranges, compared with known answers and the limits of the service.

#![cfg(test)] // So that the lints treat shared functions as tests.

mod support;

use glacier_mp::error::Kind;
use glacier_mp::limits::{ARCHIVE_SIZE_MAX, check_part_size};
use glacier_mp::plan::{ByteRange, DEFAULT_PART_SIZE_MIN, Plan, smallest_part_size};
use proptest::prelude::*;
use support::known_rows;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

#[test]
fn part_sizes_match_known_answers() {
    let mut checked = 0;
    for [kind, value, expect, _note] in known_rows("part_sizes.csv") {
        match kind.as_str() {
            "part_size" => {
                // Rows with signs, spaces, letters or no digits test parsers of text, which this crate does not have.
                let Some(bytes) = value.parse().ok().filter(|bytes: &u64| bytes.to_string() == value) else {
                    assert_eq!(expect, "invalid", "{value:?}");
                    continue;
                };
                assert_eq!(check_part_size(bytes).is_ok(), expect == "valid", "{value}");
                assert_eq!(Plan::new(1, Some(bytes)).is_ok(), expect == "valid", "{value}");
            }
            "min_part_size_for_archive" => {
                let smallest = smallest_part_size(value.parse().unwrap());
                assert_eq!(smallest.map_or("error".to_owned(), |bytes| bytes.to_string()), expect, "{value}");
            }
            _ => panic!("unknown kind {kind}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 21);
}

#[test]
fn ranges_match_known_answers() {
    for [index, part_size, archive_size, content_range, in_bytes, length] in known_rows("ranges.csv") {
        let plan = Plan::new(archive_size.parse().unwrap(), Some(part_size.parse().unwrap())).unwrap();
        let range = plan.range(index.parse().unwrap()).unwrap();
        assert_eq!(range.content_range(), content_range);
        assert_eq!(range.in_bytes(), in_bytes);
        assert_eq!(range.length().to_string(), length);
        assert_eq!(ByteRange::parse_in_bytes(&in_bytes), Some(range));
    }
}

#[test]
fn part_and_request_counts_match_known_answers() {
    let mib_tenths = |tenths: u64| (tenths * MIB).div_ceil(10);
    for (archive_size, part_size, parts) in
        [(mib_tenths(162), 4 * MIB, 5), (mib_tenths(102), MIB, 11), (1, MIB, 1), (MIB, MIB, 1), (MIB + 1, MIB, 2)]
    {
        let plan = Plan::new(archive_size, Some(part_size)).unwrap();
        assert_eq!(plan.part_count(), parts, "{archive_size}");
        assert_eq!(plan.request_count(), parts + 2);
        assert!(plan.range(parts - 1).is_some());
        assert_eq!(plan.range(parts), None);
        assert_eq!(plan.range(u32::MAX), None);
    }
}

#[test]
fn default_part_size_is_the_smallest_that_fits() {
    for (archive_size, part_size) in [
        (1, 16 * MIB),
        (160_000 * MIB, 16 * MIB),
        (160_000 * MIB + 1, 32 * MIB),
        (20_480_000 * MIB + 1, 4 * GIB),
        (ARCHIVE_SIZE_MAX, 4 * GIB),
    ] {
        assert_eq!(Plan::new(archive_size, None).unwrap().part_size(), part_size, "{archive_size}");
    }
}

#[test]
fn errors_name_value_and_rule() {
    let too_many_parts = [(10_001 * MIB, Some(MIB), "2097152"), (ARCHIVE_SIZE_MAX, Some(2 * GIB), "4294967296")];
    let bad_part_size = [(1, Some(3 * MIB), "3145728"), (u64::MAX, Some(0), "18446744073709551615")];
    let bad_archive = [
        (0, None, "at least 1 byte"),
        (0, Some(MIB), "at least 1 byte"),
        (ARCHIVE_SIZE_MAX + 1, None, "42949672960001"),
        (ARCHIVE_SIZE_MAX + 1, None, "at most 42949672960000"),
    ];
    for (archive_size, part_size, word) in too_many_parts.into_iter().chain(bad_part_size).chain(bad_archive) {
        let error = Plan::new(archive_size, part_size).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.message().contains(word), "{word} is missing in {error}");
    }
}

#[test]
fn memory_is_one_part_per_worker_up_to_the_archive_size() {
    let plan = Plan::new(ARCHIVE_SIZE_MAX, None).unwrap();
    assert_eq!(plan.memory(1), 4 * GIB);
    assert_eq!(plan.memory(8), 32 * GIB);
    assert_eq!(plan.memory(0), 4 * GIB);
    assert_eq!(plan.memory(u32::MAX), ARCHIVE_SIZE_MAX);
    assert_eq!(Plan::new(1000, None).unwrap().memory(8), 1000);
}

#[test]
fn parses_ranges_strictly() {
    assert_eq!(ByteRange::parse_in_bytes("0-0").map(|range| range.length()), Some(1));
    assert_eq!(ByteRange::parse_in_bytes("0-42949672959999"), Some(ByteRange { first: 0, last: ARCHIVE_SIZE_MAX - 1 }));
    for text in [
        "",
        "-",
        "0",
        "0-",
        "-1",
        "1-0",
        "0-1-2",
        " 0-1",
        "0-1 ",
        "0 -1",
        "+0-1",
        "0-+1",
        "00-1",
        "0-01",
        "0--1",
        "a-b",
        "0-1/*",
        "bytes 0-1",
        "0-42949672960000",
        "0-18446744073709551615",
        "0-18446744073709551616",
    ] {
        assert_eq!(ByteRange::parse_in_bytes(text), None, "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_cover_the_archive(
        archive_size in prop_oneof![1..ARCHIVE_SIZE_MAX + 1, 1..100 * MIB],
        part_size in prop::option::of((0..13).prop_map(|n| MIB << n)),
    ) {
        let smallest = smallest_part_size(archive_size).unwrap();
        check_part_size(smallest).unwrap();
        prop_assert!(archive_size.div_ceil(smallest) <= 10_000);
        prop_assert!(smallest == MIB || archive_size.div_ceil(smallest / 2) > 10_000);

        let Ok(plan) = Plan::new(archive_size, part_size) else {
            prop_assert!(part_size.unwrap() < smallest);
            return Ok(());
        };
        prop_assert_eq!(plan.part_size(), part_size.unwrap_or(smallest.max(DEFAULT_PART_SIZE_MIN)));
        let mut next = 0;
        for index in 0..plan.part_count() {
            let range = plan.range(index).unwrap();
            prop_assert_eq!(range.first, next);
            prop_assert!(range.length() == plan.part_size() || index + 1 == plan.part_count());
            prop_assert_eq!(ByteRange::parse_in_bytes(&range.in_bytes()), Some(range));
            next = range.last + 1;
        }
        prop_assert_eq!(next, plan.archive_size());
    }
}
