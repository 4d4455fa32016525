//! The endpoints of AWS services: those of the settings, else those of the region.

mod lookup;
mod partition;
mod service;

pub use self::lookup::{ServiceEndpoints, find_endpoint, locate_endpoint};
pub use self::partition::{Variant, check_region, url_of_region};
pub use self::service::AwsService;
