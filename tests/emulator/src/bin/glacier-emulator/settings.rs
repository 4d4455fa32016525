//! The command line.

use std::path::PathBuf;

use glacier_emulator::unspecified::PAGE_MAX;
use glacier_emulator::{Options, Storage, number, response_delay};
use serde::de::DeserializeOwned;

pub(crate) const USAGE: &str = "\
A local Glacier for tests, demos and your own programs, on 127.0.0.1.

Usage: glacier-emulator [OPTION]...

  --port N                listens on this port; 0, the default, chooses a free port
  --tls                   serves HTTPS with a new certificate authority
  --ca-out FILE           writes the certificate of that authority to a file (PEM)
  --data DIR              keeps uploads and archives in this directory, also for the next start
  --storage KIND          disk: stores all bytes, without --data in a temporary directory (default)
                          hashes: stores hashes only    count: counts bytes, without hashes
  --region NAME           the region, by default us-east-1
  --account ID            the account: 12 digits, by default 111122223333
  --access-key ID         the access key, by default AKIAIOSFODNN7EXAMPLE
  --secret-key KEY        its secret, by default wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
  --session-token TOKEN   requires this session token
  --token-seconds N       the token expires after N seconds of the service's clock
  --vault NAME            creates this vault instead of examplevault; may be repeated
  --page-max N            the maximum number of entries on a page of a list, 1 to 50
  --clock-offset N        the service's clock is N seconds ahead of the real time; negative: behind it
  --requests-per-second N throttles requests above this rate
  --response-delay MS     delays each response by MS milliseconds, by default GLACIER_EMULATOR_RESPONSE_DELAY or 0
  --fault JSON            adds a fault, as POST /.admin/faults does; may be repeated
  --random-faults JSON    enables random faults, as POST /.admin/random does; {\"seed\": 7} is enough
  --until-stdin-closes    exits at the end of standard input
  --print-exports         prints shell commands that set the variables of a client, instead of the endpoint
  --background            starts in the background and prints the same: eval \"$(glacier-emulator --background)\"
                          kill $GLACIER_EMULATOR_PID ends it
  --help                  prints this text

The first line on standard output is the endpoint, such as http://127.0.0.1:41234. SIGTERM, SIGINT, SIGHUP and SIGQUIT
end the program and remove its temporary directory. The manual of the local Glacier, tests/emulator/README.md, describes the JSON
forms and the requests to /.admin/.
";

pub(crate) struct Settings {
    pub(crate) options: Options,
    pub(crate) ca_out: Option<PathBuf>,
    pub(crate) until_stdin_closes: bool,
    pub(crate) print_exports: bool,
    pub(crate) background: bool,
}

impl Settings {
    /// Returns `None` if the usage is requested.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut settings = Self {
            options: Options::default(),
            ca_out: None,
            until_stdin_closes: false,
            print_exports: false,
            background: false,
        };
        let mut data = None;
        let mut storage = "disk".to_owned();
        let mut vaults = Vec::new();
        while let Some(name) = arguments.next() {
            let options = &mut settings.options;
            match name.as_str() {
                "--help" => return Ok(None),
                "--tls" => options.tls = true,
                "--until-stdin-closes" => settings.until_stdin_closes = true,
                "--print-exports" => settings.print_exports = true,
                "--background" => settings.background = true,
                _ => {
                    let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
                    match name.as_str() {
                        "--port" => options.port = number::setting(&name, &value()?, 0..=u16::MAX)?,
                        "--page-max" => options.page_max = number::setting(&name, &value()?, 1..=PAGE_MAX)?,
                        "--ca-out" => settings.ca_out = Some(value()?.into()),
                        "--data" => data = Some(PathBuf::from(value()?)),
                        "--storage" => storage = value()?,
                        "--region" => options.region = value()?,
                        "--account" => options.account = value()?,
                        "--access-key" => options.access_key = value()?,
                        "--secret-key" => options.secret_key = value()?,
                        "--session-token" => options.session_token = Some(value()?),
                        "--token-seconds" => {
                            options.session_token_seconds = Some(number::setting(&name, &value()?, 0..=i64::MAX)?);
                        }
                        "--clock-offset" => options.clock_offset = number::signed_setting(&name, &value()?)?,
                        "--requests-per-second" => {
                            options.requests_per_second = Some(number::setting(&name, &value()?, 0..=u64::MAX)?);
                        }
                        "--response-delay" => options.response_delay = Some(response_delay::parse(&name, &value()?)?),
                        "--fault" => options.faults.push(json(&name, &value()?)?),
                        "--random-faults" => options.random_faults = Some(json(&name, &value()?)?),
                        "--vault" => vaults.push(value()?),
                        _ => return Err(format!("unknown option {name}; see --help")),
                    }
                }
            }
        }
        settings.options.storage = match (storage.as_str(), data) {
            ("disk", Some(directory)) => Storage::Disk(directory),
            ("disk", None) => Storage::Temporary,
            ("hashes", _) => Storage::Hashes,
            ("count", _) => Storage::Count,
            (other, _) => return Err(format!("unknown storage {other}; see --help")),
        };
        if !vaults.is_empty() {
            settings.options.vaults = vaults;
        }
        if settings.ca_out.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err("--ca-out needs the name of a file, not \"\"".to_owned());
        }
        if settings.ca_out.is_some() && !settings.options.tls {
            return Err("--ca-out needs --tls".to_owned());
        }
        if settings.options.session_token_seconds.is_some() && settings.options.session_token.is_none() {
            return Err("--token-seconds needs --session-token".to_owned());
        }
        if settings.background && settings.until_stdin_closes {
            return Err("--background and --until-stdin-closes exclude each other".to_owned());
        }
        settings.options.check()?;
        Ok(Some(settings))
    }

    /// Says what the caller can learn only from the output. `None` if the caller knows the endpoint and needs no output.
    pub(crate) fn only_printed(&self) -> Option<&'static str> {
        match self {
            Self { background: true, .. } => Some("--background prints the process ID"),
            Self { print_exports: true, .. } => Some("--print-exports prints the variables"),
            Self { options: Options { port: 0, .. }, .. } => Some("without --port, the program prints the chosen port"),
            _ => None,
        }
    }
}

fn json<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| format!("{name} {text}: {e}"))
}
