//! The vaults of the account.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;

use crate::stop::lock;

/// The creation dates of the vaults, ordered by name.
#[derive(Debug, Default)]
pub(crate) struct Vaults {
    created: Mutex<BTreeMap<String, String>>,
}

/// A vault in the responses of DescribeVault and ListVaults.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VaultDescription {
    pub(crate) creation_date: String,
    pub(crate) last_inventory_date: Option<String>,
    pub(crate) number_of_archives: u64,
    pub(crate) size_in_bytes: u64,
    #[serde(rename = "VaultARN")]
    pub(crate) vault_arn: String,
    pub(crate) vault_name: String,
}

/// A page of ListVaults.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VaultList {
    pub(crate) marker: Option<String>,
    pub(crate) vault_list: Vec<VaultDescription>,
}

impl Vaults {
    /// Creates a vault if it does not exist. Returns whether it is new.
    pub(crate) fn create(&self, name: &str, now: &str) -> bool {
        let mut vaults = lock(&self.created);
        let is_new = !vaults.contains_key(name);
        if is_new {
            vaults.insert(name.to_owned(), now.to_owned());
        }
        is_new
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        lock(&self.created).contains_key(name)
    }

    /// Returns the creation date of a vault.
    pub(crate) fn created(&self, name: &str) -> Option<String> {
        lock(&self.created).get(name).cloned()
    }

    /// Returns the names and creation dates from this name on.
    pub(crate) fn from(&self, name: &str) -> Vec<(String, String)> {
        let vaults = lock(&self.created);
        vaults.range(name.to_owned()..).map(|(name, created)| (name.clone(), created.clone())).collect()
    }
}
