//! A second codec that stands where one stands: for the engine's trials.

use super::{Codec, Entry};
use crate::Error;

impl<'p> Codec<'_, 'p> {
    /// A codec in `words` (as many as this one was given) that stands where this one does
    /// and goes on by itself.
    pub fn fork<'x>(&self, words: &'x mut [u16]) -> Result<Codec<'x, 'p>, Error> {
        let mut rest = words;
        Ok(Codec {
            header: self.header.clone(),
            models: self.models.fork(&mut rest)?,
            prior: self.prior,
            map: self.map.fork(&mut rest)?,
            corrections: self.corrections.fork(&mut rest)?,
            stage: self.stage,
            flag: self.flag,
            part: self.part,
            source: self.source,
            left: self.left,
            last: self.last,
            pos: self.pos,
            made: self.made,
            made_len: self.made_len,
            isa: self.isa,
            region_end: self.region_end,
            next: self.next,
            straight: self.straight.clone(),
            pointer_tops: self.pointer_tops,
            gap: self.gap,
            last_end: self.last_end,
            diagonals: self.diagonals,
            recent: self.recent,
            synced_from: self.synced_from,
            block: self.block,
            unit: self.unit,
            at_boundary: self.at_boundary,
            reset_at: self.reset_at,
        })
    }

    /// Goes on as if the map had been sent without `gone` and with `come`: an encoding
    /// side's question, which the price of the map itself is no part of.
    pub fn remap(&mut self, gone: &[Entry], come: &[Entry]) {
        self.straight.forget();
        for entry in gone {
            self.map.remove(*entry);
        }
        for entry in come {
            self.map.insert(*entry, false);
        }
        self.seek(self.pos);
    }
}
