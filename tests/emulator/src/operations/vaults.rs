//! CreateVault, DescribeVault and ListVaults.

use super::{Call, Done, created, is_vault_name};
use crate::paging;
use crate::refusal::{Failure, Refusal};
use crate::response::Response;
use crate::unspecified::LIST_VAULTS_DEFAULT;
use crate::vaults::{VaultDescription, VaultList};

impl Call<'_> {
    pub(super) fn create_vault(&self) -> Result<Done, Failure> {
        let changed = self.service.store.vaults.create(&self.target.vault, &self.now.extended());
        Ok(Done { response: created().with("Location", self.vault_path()), changed })
    }

    pub(super) fn describe_vault(&self) -> Result<Done, Failure> {
        let name = &self.target.vault;
        let created = self.service.store.vaults.created(name);
        let created = created.ok_or_else(|| Refusal::vault_not_found(&self.service.vault_arn(name)))?;
        Ok(Done { response: Response::json(200, &self.description_of(name.clone(), created)), changed: false })
    }

    /// The marker is the ARN of the next vault, as documented by the service.
    pub(super) fn list_vaults(&self) -> Result<Done, Failure> {
        let limit = paging::limit(self.head, LIST_VAULTS_DEFAULT)?.min(self.service.page_max);
        let from = match self.head.query("marker") {
            None => String::new(),
            Some(marker) => {
                let name = marker.strip_prefix(&self.service.vault_arn("")).filter(|name| is_vault_name(name));
                name.ok_or_else(|| Refusal::invalid(format!("Invalid marker: {marker}")))?.to_owned()
            }
        };
        let mut rest = self.service.store.vaults.from(&from).into_iter();
        let page = rest.by_ref().take(limit);
        let vault_list = page.map(|(name, created)| self.description_of(name, created)).collect();
        let marker = rest.next().map(|(name, _)| self.service.vault_arn(&name));
        Ok(Done { response: Response::json(200, &VaultList { marker, vault_list }), changed: false })
    }

    fn description_of(&self, vault_name: String, creation_date: String) -> VaultDescription {
        let archives = self.service.store.archives();
        let sizes: Vec<_> = archives.iter().filter(|archive| archive.vault == vault_name).map(|one| one.size).collect();
        VaultDescription {
            creation_date,
            last_inventory_date: (!sizes.is_empty()).then(|| self.now.extended()),
            number_of_archives: sizes.len() as u64,
            size_in_bytes: sizes.iter().sum(),
            vault_arn: self.service.vault_arn(&vault_name),
            vault_name,
        }
    }
}
