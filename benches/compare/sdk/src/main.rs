//! Uploads a file with the `aws-sdk-glacier` crate in the usual way: one task per part, a limited number at once, and
//! hashes by the crate. `sdk ENDPOINT VAULT FILE PART_SIZE WORKERS`

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use aws_sdk_glacier::Client;
use aws_sdk_glacier::config::{Config, Credentials, Region};
use aws_sdk_glacier::primitives::ByteStream;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// An upload, shared by its tasks.
struct Upload {
    client: Client,
    vault: String,
    id: String,
    file: File,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [endpoint, vault, file, part_size, workers] =
        arguments.try_into().map_err(|_| "five arguments are required")?;
    let (part_size, workers) = (part_size.parse::<u64>()?, workers.parse()?);

    let client = client(endpoint)?;
    let initiate = client.initiate_multipart_upload().account_id("-").vault_name(&vault);
    let started = initiate.part_size(part_size.to_string()).send().await?;
    let id = started.upload_id.ok_or("no upload ID")?;
    let file = File::open(file)?;
    let size = file.metadata()?.len();
    let upload = Arc::new(Upload { client, vault, id, file });

    let permits = Arc::new(Semaphore::new(workers));
    let mut parts = JoinSet::new();
    for first in (0..size).step_by(usize::try_from(part_size)?) {
        let permit = permits.clone().acquire_owned().await?;
        let part = upload.clone().put(first, part_size.min(size - first));
        parts.spawn(async move {
            let _permit = permit;
            part.await
        });
    }
    let mut hashes = parts.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    hashes.sort();

    let complete = upload.client.complete_multipart_upload().account_id("-").vault_name(&upload.vault);
    let tree_hash = combine(hashes.into_iter().map(|(_, hash)| hash).collect());
    complete.upload_id(&upload.id).archive_size(size.to_string()).checksum(tree_hash).send().await?;
    Ok(())
}

fn client(endpoint: String) -> Result<Client> {
    let (key, secret) = (std::env::var("AWS_ACCESS_KEY_ID")?, std::env::var("AWS_SECRET_ACCESS_KEY")?);
    let config = Config::builder()
        .behavior_version_latest()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, secret, None, None, "environment"))
        .endpoint_url(endpoint);
    Ok(Client::from_conf(config.build()))
}

impl Upload {
    /// Sends the part at offset `first`. Returns the offset and the tree hash.
    async fn put(self: Arc<Self>, first: u64, length: u64) -> Result<(u64, String)> {
        let upload = self.clone();
        let bytes = spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
            upload.file.read_exact_at(&mut bytes, first).map(|()| bytes)
        });
        let part = self.client.upload_multipart_part().account_id("-").vault_name(&self.vault).upload_id(&self.id);
        let part = part.range(format!("bytes {first}-{}/*", first + length - 1)).body(ByteStream::from(bytes.await??));
        Ok((first, part.send().await?.checksum.ok_or("no tree hash")?))
    }
}

/// Returns the tree hash of the archive from those of its parts, in hex. The crate has no function for it.
fn combine(mut level: Vec<String>) -> String {
    while level.len() > 1 {
        let parent = |pair: &[String]| match pair {
            [left, right] => hex(&Sha256::digest([bytes(left), bytes(right)].concat())),
            single => single[0].clone(),
        };
        level = level.chunks(2).map(parent).collect();
    }
    level.pop().unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
