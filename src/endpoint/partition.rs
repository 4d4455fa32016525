//! The host names of the services in each AWS partition.

use super::service::AwsService;
use crate::error::{Error, Result};
use crate::limits::quoted;

/// Variants of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Whether its cryptography is validated to FIPS 140.
    pub fips: bool,
    /// Whether its host has IPv6 addresses too.
    pub dual_stack: bool,
}

/// A group of regions with their own domains.
struct Partition {
    /// The first words of its regions: `us-gov` matches `us-gov-west-1`.
    prefixes: &'static [&'static str],
    domain: &'static str,
    dual_stack_domain: &'static str,
    /// Whether the FIPS hosts have the same names as the others, except those with dual stack.
    has_plain_fips_hosts: bool,
    glacier: Glacier,
}

/// Where a partition has Glacier.
enum Glacier {
    /// Nowhere.
    Nowhere,
    /// In all regions but these. A region that is not known yet counts as one with Glacier.
    Except(&'static [&'static str]),
}

/// The partition of all regions that match no other one.
const COMMERCIAL: Partition = Partition {
    prefixes: &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"],
    domain: "amazonaws.com",
    dual_stack_domain: "api.aws",
    has_plain_fips_hosts: false,
    glacier: Glacier::Except(&[
        "ap-east-2",
        "ap-south-2",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "eu-central-2",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
        "me-west-1",
        "mx-central-1",
        "sa-west-1",
    ]),
};

const OTHERS: [Partition; 7] = [
    Partition {
        prefixes: &["cn"],
        domain: "amazonaws.com.cn",
        dual_stack_domain: "api.amazonwebservices.com.cn",
        has_plain_fips_hosts: false,
        glacier: Glacier::Except(&[]),
    },
    Partition {
        prefixes: &["us-gov"],
        domain: "amazonaws.com",
        dual_stack_domain: "api.aws",
        has_plain_fips_hosts: true,
        glacier: Glacier::Except(&[]),
    },
    Partition {
        prefixes: &["us-iso"],
        domain: "c2s.ic.gov",
        dual_stack_domain: "api.aws.ic.gov",
        has_plain_fips_hosts: false,
        glacier: Glacier::Except(&[]),
    },
    Partition {
        prefixes: &["us-isob"],
        domain: "sc2s.sgov.gov",
        dual_stack_domain: "api.aws.scloud",
        has_plain_fips_hosts: false,
        glacier: Glacier::Except(&["us-isob-west-1"]),
    },
    Partition {
        prefixes: &["eu-isoe"],
        domain: "cloud.adc-e.uk",
        dual_stack_domain: "api.cloud-aws.adc-e.uk",
        has_plain_fips_hosts: false,
        glacier: Glacier::Nowhere,
    },
    Partition {
        prefixes: &["us-isof"],
        domain: "csp.hci.ic.gov",
        dual_stack_domain: "api.aws.hci.ic.gov",
        has_plain_fips_hosts: false,
        glacier: Glacier::Nowhere,
    },
    Partition {
        prefixes: &["eusc-de"],
        domain: "amazonaws.eu",
        dual_stack_domain: "api.amazonwebservices.eu",
        has_plain_fips_hosts: false,
        glacier: Glacier::Nowhere,
    },
];

/// Returns the URL of a service in a region.
///
/// # Errors
/// `Invalid` if the text is not a region, or if the region has no Glacier.
pub fn url_of_region(service: AwsService, region: &str, variant: Variant) -> Result<String> {
    check_region(region)?;
    let partition = OTHERS.iter().find(|partition| partition.contains(region)).unwrap_or(&COMMERCIAL);
    if service == AwsService::Glacier && !partition.has_glacier(region) {
        return Err(Error::invalid(format!(
            "region {} has no Glacier: use a region that has it, or set an endpoint",
            quoted(region)
        )));
    }
    let domain = if variant.dual_stack { partition.dual_stack_domain } else { partition.domain };
    let is_plain = !variant.fips || (partition.has_plain_fips_hosts && !variant.dual_stack);
    let suffix = if is_plain { "" } else { "-fips" };
    Ok(format!("https://{}{suffix}.{region}.{domain}", service.host()))
}

/// Checks a region, which is part of a host name and of every signature.
///
/// # Errors
/// `Invalid` names the value and the rule.
pub fn check_region(region: &str) -> Result<()> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let has_outer_hyphen = region.starts_with('-') || region.ends_with('-');
    let is_number = region.bytes().all(|b| b.is_ascii_digit());
    if (1..=63).contains(&region.len()) && region.bytes().all(is_allowed) && !has_outer_hyphen && !is_number {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "region {} is not allowed: it must be 1 to 63 letters, digits and inner hyphens, not only digits, without quotes, such as \
         us-east-1",
        quoted(region)
    )))
}

impl Partition {
    /// Returns whether the region is `PREFIX-word-number`.
    fn contains(&self, region: &str) -> bool {
        self.prefixes.iter().any(|prefix| {
            let rest = region.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
            let Some((word, number)) = rest.and_then(|rest| rest.split_once('-')) else { return false };
            !word.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        })
    }

    fn has_glacier(&self, region: &str) -> bool {
        // The names of whole partitions, which some services accept as a region: aws-global, aws-cn-global.
        if region.starts_with("aws-") && region.ends_with("-global") {
            return false;
        }
        match self.glacier {
            Glacier::Nowhere => false,
            Glacier::Except(regions) => !regions.contains(&region),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(service: AwsService, region: &str, fips: bool, dual_stack: bool) -> String {
        url_of_region(service, region, Variant { fips, dual_stack }).unwrap()
    }

    #[test]
    fn finds_the_endpoint_of_each_partition_and_variant() {
        let text = include_str!("../../tests/data/endpoints.json");
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 23);
        for case in cases {
            let [fips, dual_stack] = ["fips", "dualstack"].map(|name| case[name].as_bool().unwrap());
            let found = url(AwsService::Glacier, case["region"].as_str().unwrap(), fips, dual_stack);
            assert_eq!(found, case["url"].as_str().unwrap(), "{case}");
        }
    }

    #[test]
    fn finds_the_endpoints_of_other_services() {
        use AwsService::{SsoPortal, Sts};
        for (service, region, fips, dual_stack, expected) in [
            (Sts, "eu-west-1", false, false, "https://sts.eu-west-1.amazonaws.com"),
            (Sts, "us-east-1", true, false, "https://sts-fips.us-east-1.amazonaws.com"),
            (Sts, "us-gov-west-1", true, false, "https://sts.us-gov-west-1.amazonaws.com"),
            (Sts, "us-gov-west-1", true, true, "https://sts-fips.us-gov-west-1.api.aws"),
            (Sts, "cn-north-1", false, true, "https://sts.cn-north-1.api.amazonwebservices.com.cn"),
            (Sts, "eusc-de-east-1", false, false, "https://sts.eusc-de-east-1.amazonaws.eu"),
            (Sts, "eu-isoe-west-1", false, true, "https://sts.eu-isoe-west-1.api.cloud-aws.adc-e.uk"),
            (Sts, "us-isof-south-1", true, true, "https://sts-fips.us-isof-south-1.api.aws.hci.ic.gov"),
            (Sts, "us-isob-east-1", false, true, "https://sts.us-isob-east-1.api.aws.scloud"),
            (Sts, "us-iso-east-1", false, true, "https://sts.us-iso-east-1.api.aws.ic.gov"),
            (SsoPortal, "eu-west-1", false, false, "https://portal.sso.eu-west-1.amazonaws.com"),
            (SsoPortal, "us-east-1", true, true, "https://portal.sso-fips.us-east-1.api.aws"),
        ] {
            assert_eq!(url(service, region, fips, dual_stack), expected);
        }
    }

    #[test]
    fn unknown_regions_are_in_the_commercial_partition() {
        for region in ["us-esat-1", "eu-west-99", "local", "us-gov-west", "cn-north-x", "cn--1"] {
            assert_eq!(
                url(AwsService::Glacier, region, false, false),
                format!("https://glacier.{region}.amazonaws.com")
            );
        }
    }

    #[test]
    fn rejects_regions_without_glacier() {
        for region in [
            "eu-central-2",
            "aws-global",
            "aws-us-gov-global",
            "us-isob-west-1",
            "eu-isoe-west-1",
            "us-isof-east-1",
            "eusc-de-east-1",
        ] {
            let error = url_of_region(AwsService::Glacier, region, Variant::default()).unwrap_err();
            assert!(error.message().contains("has no Glacier"), "{error}");
            url_of_region(AwsService::Sts, region, Variant::default()).unwrap();
        }
    }

    #[test]
    fn checks_regions() {
        for region in ["a", "US-EAST-1", "us-east-1", "1a", &"a".repeat(63)] {
            check_region(region).unwrap();
        }
        for region in
            ["", "us east", "us-east-1.evil.example/", "-a", "a-", "123", "ü", "\"eu-west-1\"", "a\nb", &"a".repeat(64)]
        {
            assert!(check_region(region).is_err(), "{region}");
        }
    }
}
