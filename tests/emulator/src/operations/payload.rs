//! Receives the payload of a part or an archive and verifies its hashes.

use std::borrow::Cow;

use super::Call;
use crate::body::Body;
use crate::disk::{Disk, Incoming};
use crate::fault_plan::Corruption;
use crate::hash::{Digest, Hasher};
use crate::refusal::{Failure, Refusal};

/// A payload whose hashes have been verified.
pub(super) struct Received {
    pub(super) length: u64,
    pub(super) tree_hash: Digest,
    /// The tree hash of the stored bytes. It differs from `tree_hash` if a fault corrupts them.
    pub(super) stored: Digest,
    pub(super) bytes: Option<Incoming>,
}

impl<'a> Call<'a> {
    /// Reads a payload and compares its hashes with the hashes in the headers.
    pub(super) fn receive(&self, body: &mut Body<'_>) -> Result<Received, Failure> {
        let tree_hash = self.tree_hash()?;
        if self.head.header("x-amz-content-sha256").is_none() {
            // Without this header, the signature does not cover the payload hash either.
            return Err(Failure::from(Refusal::signature("The request has no x-amz-content-sha256")));
        }
        let length = body.remaining();
        let receive = |disk: &'a Disk| Ok::<_, Refusal>((disk, disk.receive().map_err(|e| disk.failed(&e))?));
        let mut incoming = self.service.store.disk().map(receive).transpose()?;
        let mut damaged = (self.corruption == Some(Corruption::Damage)).then(Hasher::default);
        while let Some(piece) = body.next().map_err(Failure::Broken)? {
            let mut stored = Cow::Borrowed(piece);
            if let Some(damaged) = &mut damaged {
                stored.to_mut().iter_mut().for_each(|byte| *byte ^= 1);
                damaged.update(&stored);
            }
            if let Some((disk, bytes)) = &mut incoming {
                bytes.write(&stored).map_err(|e| disk.failed(&e))?;
            }
        }
        self.signed.check_clock(self.service.clock.now())?;
        if let Some((linear, tree)) = body.hashes() {
            if hex::encode(linear) != self.signed.payload_hash {
                return Err(Failure::from(Refusal::payload_mismatch(&hex::encode(linear), &self.signed.payload_hash)));
            }
            if tree != tree_hash {
                let (expected, computed) = (hex::encode(tree_hash), hex::encode(tree));
                return Err(Failure::from(Refusal::checksum_mismatch(&expected, &computed)));
            }
        }
        let stored = damaged.map_or(tree_hash, |hasher| hasher.finish().1);
        Ok(Received { length, tree_hash, stored, bytes: incoming.map(|(_, bytes)| bytes) })
    }
}
