//! What a device remembers about trust between updates, in storage of the integrator's.
//!
//! The patcher writes none of it: it is given the floor in [`crate::Device`]. [`Memory`]
//! is the rule by which the floor moves, as plain values to be stored as the integrator
//! likes (in one piece, so that a power cut leaves the old one or the new one). SPEC §4.6.

use crate::key_set::Accepted;
use deltamote_format::manifest::View;

/// An image that was handed over and has not confirmed itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Sequence number of its patch.
    pub sequence: u64,
    /// SHA-256 of the image.
    pub digest: [u8; 32],
}

impl Candidate {
    /// What `manifest` will make; [`crate::HandOver::accepts`] shows it.
    pub fn of(manifest: &View<'_>) -> Self {
        Candidate {
            sequence: manifest.sequence(),
            digest: manifest.new_digest().try_into().unwrap_or_default(),
        }
    }
}

/// What is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// For [`crate::Device::sequence_floor`].
    pub sequence_floor: u64,
    /// The newest key set accepted: for [`crate::key_set::accept`].
    pub key_set: Option<Accepted>,
    /// The image handed over last, until it or another one is confirmed.
    pub candidate: Option<Candidate>,
}

impl Memory {
    /// To be called, and stored, when [`crate::Patcher::finish`] has succeeded. The floor
    /// stays where it is: the new image may fail, and the device go back.
    pub fn handed_over(&mut self, candidate: Candidate) {
        self.candidate = Some(candidate);
    }

    /// To be called, and stored, by an image that works and has told the bootloader so.
    /// `running` is its SHA-256. If it is the one that was handed over, the floor moves to
    /// its sequence number; if the device has gone back, the candidate is forgotten.
    /// Gives whether the floor moved.
    pub fn confirmed(&mut self, running: &[u8; 32]) -> bool {
        match self.candidate.take() {
            Some(new) if new.digest == *running && new.sequence > self.sequence_floor => {
                self.sequence_floor = new.sequence;
                true
            }
            _ => false,
        }
    }
}
