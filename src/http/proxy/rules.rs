//! Which proxy a connection uses: the setter, the environment variables, and the hosts without a proxy. The rules are those
//! of curl.

use std::sync::Arc;

use super::no_proxy::NoProxy;
use super::url::{Proxy, ProxySetting};
use crate::environment::Environment;
use crate::error::Result;
use crate::http::endpoint::Endpoint;
use crate::sanitize::Redactor;

/// The environment variables for `http` endpoints in their order. `HTTP_PROXY` is not among them: a CGI program receives
/// the request header `Proxy` in it.
const HTTP_VARIABLES: [&str; 3] = ["http_proxy", "all_proxy", "ALL_PROXY"];
/// The environment variables for `https` endpoints in their order.
const HTTPS_VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// The environment variables of the hosts without a proxy, in their order.
const NO_PROXY_VARIABLES: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxy rules of a client. The default rules use no proxy.
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    /// What the setter set. The inner `None` disables all proxies.
    explicit: Option<Option<Arc<Proxy>>>,
    /// The proxies of the environment. An invalid one is an error only if it is used.
    http: Option<Result<Arc<Proxy>>>,
    https: Option<Result<Arc<Proxy>>>,
    no_proxy: NoProxy,
}

impl ProxyRules {
    /// Creates the rules of the environment. An empty variable counts as not set.
    pub fn from_environment(environment: &Environment) -> Self {
        let proxy = |names: &[&'static str]| {
            let (name, value) = names.iter().find_map(|name| environment.get(name).map(|value| (*name, value)))?;
            Some(Proxy::parse(value, ProxySetting::Variable(name)).map(Arc::new))
        };
        let no_proxy = NO_PROXY_VARIABLES.iter().find_map(|name| environment.get(name));
        Self {
            explicit: None,
            http: proxy(&HTTP_VARIABLES),
            https: proxy(&HTTPS_VARIABLES),
            no_proxy: no_proxy.map(NoProxy::parse).unwrap_or_default(),
        }
    }

    /// Sets the proxy for all endpoints instead of those of the environment. The hosts of `NO_PROXY` are still reached
    /// without it. Empty: no proxy. `None`: the environment decides again.
    ///
    /// # Errors
    /// `Invalid` names the value and the rule.
    pub fn set(&mut self, url: Option<&str>) -> Result<()> {
        self.explicit = match url {
            None => None,
            Some("") => Some(None),
            Some(url) => Some(Some(Arc::new(Proxy::parse(url, ProxySetting::Explicit)?))),
        };
        Ok(())
    }

    /// Returns the proxy for an endpoint, or `None` for a direct connection.
    ///
    /// # Errors
    /// `Invalid` if the environment variable for the endpoint is not a proxy URL.
    pub fn proxy_for(&self, endpoint: &Endpoint) -> Result<Option<Arc<Proxy>>> {
        if self.no_proxy.contains(endpoint.host()) {
            return Ok(None);
        }
        if let Some(proxy) = &self.explicit {
            return Ok(proxy.clone());
        }
        let proxy = if endpoint.is_tls() { &self.https } else { &self.http };
        proxy.clone().transpose()
    }

    /// Adds the passwords of all proxies to the secrets of a redactor.
    pub(crate) fn register(&self, redactor: &Redactor) {
        let environment = [&self.http, &self.https].into_iter().filter_map(|proxy| proxy.as_ref()?.as_ref().ok());
        for proxy in self.explicit.iter().flatten().chain(environment) {
            proxy.register(redactor);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::error::Kind;

    /// Creates rules from variables, in which `{name}` is a proxy.
    fn rules(variables: &Value) -> ProxyRules {
        let proxy = |value: &str| match value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => value.to_owned(),
            Some(name) => match name.strip_suffix("-bare") {
                Some(name) => format!("{name}.proxy.example:3128"),
                None => format!("http://{name}.proxy.example:3128"),
            },
        };
        let pairs = variables.as_object().unwrap().iter().map(|(name, value)| (name, proxy(value.as_str().unwrap())));
        ProxyRules::from_environment(&Environment::from_pairs(pairs))
    }

    /// Returns the proxy for a URL, without the domain.
    fn proxy_for(rules: &ProxyRules, url: &str) -> Option<String> {
        let proxy = rules.proxy_for(&Endpoint::parse(url).unwrap()).unwrap()?;
        proxy.server().host().strip_suffix(".proxy.example").map(str::to_owned)
    }

    #[test]
    fn follow_curl_in_all_known_answers() {
        let file: Value = serde_json::from_str(include_str!("../../../tests/data/credentials.json")).unwrap();
        let cases = file["proxies"].as_array().unwrap();
        assert_eq!(cases.len(), 30);
        for case in cases {
            let proxy = proxy_for(&rules(&case["env"]), case["url"].as_str().unwrap());
            assert_eq!(proxy.as_deref(), case["curl"].as_str(), "{}", case["name"]);
        }
    }

    #[test]
    fn the_setter_overrides_the_environment_but_not_no_proxy() {
        let variables =
            serde_json::json!({ "https_proxy": "{https}", "http_proxy": "{http}", "NO_PROXY": "example.com" });
        let mut rules = rules(&variables);
        let all = ["https://glacier.example", "http://glacier.example", "https://example.com"];
        let proxies = |rules: &ProxyRules| all.map(|url| proxy_for(rules, url).unwrap_or_default());
        assert_eq!(proxies(&rules), ["https", "http", ""]);
        rules.set(Some("explicit.proxy.example")).unwrap();
        assert_eq!(proxies(&rules), ["explicit", "explicit", ""]);
        assert_eq!(rules.set(Some("socks5://host")).unwrap_err().kind(), Kind::Invalid);
        assert_eq!(proxies(&rules), ["explicit", "explicit", ""], "a setter that fails changes nothing");
        rules.set(Some("")).unwrap();
        assert_eq!(proxies(&rules), ["", "", ""]);
        rules.set(None).unwrap();
        assert_eq!(proxies(&rules), ["https", "http", ""]);
    }

    #[test]
    fn reports_an_invalid_variable_only_if_it_is_used() {
        let variables = serde_json::json!({ "all_proxy": "socks5://127.0.0.1:1080", "no_proxy": "example.com" });
        let mut rules = rules(&variables);
        for url in ["https://glacier.example", "http://glacier.example"] {
            let error = rules.proxy_for(&Endpoint::parse(url).unwrap()).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(error.message().contains("the environment variable all_proxy"), "{error}");
        }
        assert_eq!(proxy_for(&rules, "https://example.com"), None);
        rules.set(Some("")).unwrap();
        assert_eq!(proxy_for(&rules, "https://glacier.example"), None);
    }

    #[test]
    fn registers_each_password() {
        let variables = serde_json::json!({
            "https_proxy": "http://user:https-password@host",
            "http_proxy": "http://user:http-password@host",
        });
        let mut rules = rules(&variables);
        rules.set(Some("http://user:explicit-password@host")).unwrap();
        let redactor = Redactor::default();
        rules.register(&redactor);
        for password in ["https-password", "http-password", "explicit-password"] {
            assert!(redactor.contains_secret(password), "{password}");
            assert!(!format!("{rules:?}").contains(password));
        }
    }
}
