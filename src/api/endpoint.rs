//! The service endpoint of a region.

use crate::error::{Error, Result};
use crate::limits::quoted;

/// Returns the URL of Glacier in a region.
///
/// # Errors
/// `Invalid` if the text is not a region, or if its partition has no Glacier.
pub fn of_region(region: &str) -> Result<String> {
    check_region(region)?;
    let suffix = match region {
        _ if region.starts_with("cn-") => "amazonaws.com.cn",
        _ if region.starts_with("us-iso-") => "c2s.ic.gov",
        _ if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ if ["eu-isoe-", "us-isof-", "eusc-"].iter().any(|prefix| region.starts_with(prefix)) => {
            return Err(Error::invalid(format!(
                "region {} is in an AWS partition without a known Glacier endpoint; if the region has Glacier, set its endpoint",
                quoted(region)
            )));
        }
        _ => "amazonaws.com",
    };
    Ok(format!("https://glacier.{region}.{suffix}"))
}

/// Checks a region, which is part of a host name and of every signature.
///
/// # Errors
/// `Invalid` names the value and the rule.
pub fn check_region(region: &str) -> Result<()> {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let has_outer_hyphen = region.starts_with('-') || region.ends_with('-');
    if (1..=63).contains(&region.len()) && region.bytes().all(is_allowed) && !has_outer_hyphen {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "region {} is not allowed: it must be 1 to 63 lower-case letters, digits and inner hyphens, such as us-east-1",
        quoted(region)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_endpoint_of_each_partition() {
        let text = include_str!("../../tests/data/endpoints.json");
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let plain = |case: &&serde_json::Value| case["fips"] == false && case["dualstack"] == false;
        let cases: Vec<_> = file["cases"].as_array().unwrap().iter().filter(plain).collect();
        assert!(cases.len() >= 10, "{}", cases.len());
        for case in cases {
            assert_eq!(of_region(case["region"].as_str().unwrap()).unwrap(), case["url"].as_str().unwrap());
        }
    }

    #[test]
    fn rejects_invalid_regions() {
        for region in
            ["", "US-EAST-1", "us east", "us-east-1.evil.example/", "-a", "a-", &"a".repeat(64), "eu-isoe-west-1"]
        {
            assert!(of_region(region).is_err(), "{region}");
        }
    }
}
