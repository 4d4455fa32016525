//! The role of a server, for messages.

/// The role of a server, which decides which setting a message names.
#[derive(Clone, Copy, Debug)]
pub(super) enum ServerRole {
    Endpoint,
    Proxy,
}

impl ServerRole {
    /// Returns a noun for a URL without TLS, with the setting.
    pub(super) fn plain_url(self) -> &'static str {
        match self {
            Self::Endpoint => "an endpoint that begins with http:// (glacier_config_set_endpoint)",
            Self::Proxy => "a proxy URL that begins with http:// (glacier_config_set_proxy)",
        }
    }

    pub(super) fn check(self) -> &'static str {
        match self {
            Self::Endpoint => "check the endpoint (glacier_config_set_endpoint)",
            Self::Proxy => "check the proxy URL (glacier_config_set_proxy)",
        }
    }
}
