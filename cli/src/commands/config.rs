//! `glacier-mp config`.

use glacier_mp::config::ResolvedConfig;
use glacier_mp::credentials::CredentialsSource;
use glacier_mp::profile::SelectedBy;
use serde_json::json;

use crate::args::{ConfigArgs, ConnectionArgs};
use crate::console::{Output, shown, shown_path};
use crate::exit::{Exit, Result};
use crate::state::StateDirectory;

/// A resolved setting: its name, its value without secrets, and where it comes from.
type Line = (&'static str, String, String);

/// The place of a setting that nothing sets.
const DEFAULT: &str = "default";

/// Runs the subcommand. Sends nothing.
///
/// # Errors
/// An invalid or missing setting.
pub(crate) fn run(args: &ConfigArgs, output: &Output) -> Result<Exit> {
    let resolved = args.connection.config()?.resolve()?;
    let mut lines = service_lines(&args.connection, &resolved)?;
    lines.extend(limit_lines(&args.connection, &resolved));
    let state = StateDirectory::find(&args.state)?;
    lines.push(("state directory", shown_path(state.path()), state.origin.to_owned()));
    for (name, value, place) in lines {
        if args.json {
            output.json(&json!({"setting": name, "value": value, "from": place}));
        } else {
            output.line(&format!("{name:22} {value}  ({place})"));
        }
    }
    Ok(Exit::Done)
}

fn service_lines(args: &ConnectionArgs, resolved: &ResolvedConfig) -> Result<Vec<Line>> {
    let profiles = &resolved.profiles;
    let selected_by = match profiles.selected_by() {
        SelectedBy::Program => "--profile".to_owned(),
        SelectedBy::Variable(name) => format!("the environment variable {name}"),
        SelectedBy::Default => DEFAULT.to_owned(),
    };
    let place = |place: &str, option: &str| if place.is_empty() { option.to_owned() } else { shown(place) };
    let proxy = resolved.proxies.proxy_for(&resolved.endpoint)?;
    let (proxy, proxy_place) = match proxy {
        Some(_) if args.proxy.is_some() => (proxy, "--proxy".to_owned()),
        Some(proxy) => (Some(proxy.clone()), proxy.setting().to_string()),
        None => (None, DEFAULT.to_owned()),
    };
    let account = if args.account_id.is_some() { "--account-id" } else { DEFAULT };
    let certificates = match &args.ca_file {
        Some(file) => (shown_path(file), "--ca-file".to_owned()),
        None if !resolved.endpoint.is_tls() => ("not used: the endpoint is http".to_owned(), DEFAULT.to_owned()),
        None => ("loaded".to_owned(), shown(&resolved.trust.place()?)),
    };
    Ok(vec![
        ("profile", shown(profiles.selected().name()), selected_by),
        ("region", shown(&resolved.region), place(&resolved.region_place, "--region")),
        ("endpoint", shown(&resolved.endpoint.to_string()), place(&resolved.endpoint_place, "--endpoint")),
        ("account ID", resolved.account_id.clone(), account.to_owned()),
        credentials_line(&resolved.credentials),
        ("proxy", proxy.map_or_else(|| "none".to_owned(), |proxy| shown(&proxy.to_string())), proxy_place),
        ("trusted certificates", certificates.0, certificates.1),
    ])
}

/// Returns the line of the credentials. It shows no part of a key.
fn credentials_line(source: &CredentialsSource) -> Line {
    let place = match source {
        CredentialsSource::Chain(chain) => chain.source(),
        CredentialsSource::Key(_) | CredentialsSource::Callback(_) => "the program".to_owned(),
    };
    if place.is_empty() {
        return ("credentials", "none".to_owned(), "no provider is configured".to_owned());
    }
    ("credentials", "****".to_owned(), shown(&place))
}

fn limit_lines(args: &ConnectionArgs, resolved: &ResolvedConfig) -> Vec<Line> {
    let place = |is_given: bool, option: &str| if is_given { option.to_owned() } else { DEFAULT.to_owned() };
    let attempts = resolved.policy.max_attempts;
    let attempts = attempts.map_or_else(|| "10, outages not counted".to_owned(), |count| count.to_string());
    vec![
        (
            "connect timeout",
            format!("{:?}", resolved.connect_timeout),
            place(args.connect_timeout.is_some(), "--connect-timeout"),
        ),
        (
            "stall timeout",
            format!("{:?}", resolved.stall_timeout),
            place(args.stall_timeout.is_some(), "--stall-timeout"),
        ),
        (
            "give up after",
            format!("{:?}", resolved.policy.give_up_after),
            place(args.give_up_after.is_some(), "--give-up-after"),
        ),
        ("maximum attempts", attempts, place(args.max_attempts.is_some(), "--max-attempts")),
    ]
}
