//! The local Glacier in a separate process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::archive::Archive;
use crate::child::{program, start};
use crate::{Result, Scratch, target_dir};

/// A running local Glacier. It ends on drop.
pub(crate) struct Glacier {
    pub(crate) endpoint: String,
    /// The CA certificate for clients, with HTTPS.
    pub(crate) ca_file: Option<PathBuf>,
    agent: Agent,
    process: Child,
}

impl Glacier {
    /// Starts a local Glacier.
    pub(crate) fn start(scratch: &Scratch, tls: bool, storage: &str, options: &[&str]) -> Result<Self> {
        let ca_file = tls.then(|| scratch.path(&format!("ca-{storage}.pem")));
        let mut command = program(target_dir().join("release/glacier-emulator"));
        command.args(["--until-stdin-closes", "--storage", storage]).args(options);
        if let Some(ca_file) = &ca_file {
            command.arg("--tls").arg("--ca-out").arg(ca_file);
        }
        let mut process = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut endpoint = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut endpoint)?;
        let agent = agent(ca_file.as_deref())?;
        Ok(Self { endpoint: endpoint.trim().to_owned(), ca_file, agent, process })
    }

    /// Returns the number of archives that equal `archive`.
    pub(crate) fn count(&self, archive: &Archive) -> Result<usize> {
        self.count_of(archive.bytes, &archive.tree)
    }

    /// Returns the number of archives of this size and tree hash.
    pub(crate) fn count_of(&self, bytes: u64, tree: &str) -> Result<usize> {
        let url = format!("{}/.admin/archives", self.endpoint);
        let archives: Vec<Value> = serde_json::from_str(&self.agent.get(&url).call()?.body_mut().read_to_string()?)?;
        Ok(archives.iter().filter(|stored| stored["size"] == bytes && stored["tree_hash"] == tree).count())
    }
}

impl Drop for Glacier {
    fn drop(&mut self) {
        self.process.stdin = None;
        _ = self.process.wait();
    }
}

fn agent(ca_file: Option<&Path>) -> Result<Agent> {
    let mut config = Agent::config_builder().proxy(None);
    if let Some(path) = ca_file {
        let authority = Certificate::from_pem(&std::fs::read(path)?)?;
        config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::from(vec![authority])).build());
    }
    Ok(config.build().new_agent())
}
