//! The command line.

use std::path::PathBuf;

use glacier_emulator::{Options, Storage, number};
use serde::de::DeserializeOwned;

pub(crate) const USAGE: &str = "\
A local Glacier for tests, demos and your own programs, on 127.0.0.1.

Usage: glacier-emulator [OPTION]...

  --port N                listen on this port; 0, the default, takes a free one
  --tls                   HTTPS, with a certificate authority made at the start
  --ca-out FILE           write that authority's certificate to a file (PEM)
  --data DIR              keep uploads and archives in this directory, and find them there again
  --storage KIND          disk: keep them, in a temporary directory without --data (default)
                          hashes: keep hashes only    count: count bytes only, hash nothing
  --region NAME           default us-east-1
  --account ID            default 111122223333
  --access-key ID         default AKIAIOSFODNN7EXAMPLE
  --secret-key KEY        default wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
  --session-token TOKEN   require this session token
  --token-seconds N       let it expire after so many seconds of the service's clock
  --vault NAME            there is this vault; may be repeated; default examplevault
  --page-max N            at most so many entries on a page of a list, up to 50
  --clock-offset N        seconds that the service's clock is ahead of the real one; negative: behind
  --requests-per-second N admit so many requests a second by that clock, throttle the others
  --fault JSON            let this go wrong, as for POST /.admin/faults; may be repeated
  --random-faults JSON    let things go wrong at random, as for POST /.admin/random; {\"seed\": 7} will do
  --until-stdin-closes    exit when standard input reaches its end
  --print-exports         print shell commands that set the variables for a client, instead of the endpoint
  --background            start in the background and print the same: eval \"$(glacier-emulator --background)\"
                          ends with: kill $GLACIER_EMULATOR_PID
  --help                  this text

The first line on standard output is the endpoint, such as http://127.0.0.1:41234. SIGTERM, SIGINT and SIGHUP end the
program and remove its temporary directory. The JSON forms, and what a test can ask for and see under /.admin/, are
described in tests/emulator/README.md.
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
                        "--port" => options.port = number(&name, &value()?)?,
                        "--page-max" => options.page_max = number(&name, &value()?)?,
                        "--ca-out" => settings.ca_out = Some(value()?.into()),
                        "--data" => data = Some(PathBuf::from(value()?)),
                        "--storage" => storage = value()?,
                        "--region" => options.region = value()?,
                        "--account" => options.account = value()?,
                        "--access-key" => options.access_key = value()?,
                        "--secret-key" => options.secret_key = value()?,
                        "--session-token" => options.session_token = Some(value()?),
                        "--token-seconds" => options.session_token_seconds = Some(number(&name, &value()?)?),
                        "--clock-offset" => options.clock_offset = signed(&name, &value()?)?,
                        "--requests-per-second" => options.requests_per_second = Some(number(&name, &value()?)?),
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
        if settings.ca_out.is_some() && !settings.options.tls {
            return Err("--ca-out needs --tls".to_owned());
        }
        if settings.options.session_token_seconds.is_some() && settings.options.session_token.is_none() {
            return Err("--token-seconds needs --session-token".to_owned());
        }
        if settings.background && settings.until_stdin_closes {
            return Err("--background and --until-stdin-closes exclude each other".to_owned());
        }
        Ok(Some(settings))
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    number::unsigned(text).ok_or_else(|| format!("{name} takes a number in digits only, not {text}"))
}

fn signed(name: &str, text: &str) -> Result<i64, String> {
    number::signed(text).ok_or_else(|| format!("{name} takes a number in digits only, with - or without, not {text}"))
}

fn json<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| format!("{name} {text}: {e}"))
}
