//! Commands of the AWS CLI that errors name. A user copies them to a shell, so the name of the profile is quoted.

use crate::shell_quote::word;

/// Returns the command that logs in at SSO.
pub(super) fn login(profile: &str) -> String {
    format!("`aws sso login --profile {}`", word(profile))
}

/// Returns the setting of a profile that takes its keys from another profile.
pub(super) fn export_credentials(profile: &str) -> String {
    format!("`credential_process = aws configure export-credentials --profile {} --format process`", word(profile))
}
