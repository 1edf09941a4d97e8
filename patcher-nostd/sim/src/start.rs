//! States in which a device may be when a patch arrives.

use crate::device::Board;
use deltamote_patcher::Flash;
use deltamote_patcher::format::journal::{Header, Mark, Record};

/// A state of slot and journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Start {
    /// Erased.
    #[default]
    Clean,
    /// Another update was cut half-way: half a slot, and a journal that says so.
    OldUpdate,
    /// A journal of another update with the largest epoch there is, next to a slot that
    /// was never touched.
    ForeignJournal,
    /// Slot and journal full of whatever was there before, some of it unreadable.
    DirtySlot,
}

impl Start {
    /// All of them, with the names that the command uses.
    pub const ALL: [(&'static str, Start); 4] = [
        ("clean", Start::Clean),
        ("old-update", Start::OldUpdate),
        ("foreign-journal", Start::ForeignJournal),
        ("dirty-slot", Start::DirtySlot),
    ];
}

impl Board {
    /// Puts slot and journal into the state `start`.
    pub fn begin(&mut self, start: Start) {
        let slot_len = self.slot_bytes().len();
        match start {
            Start::Clean => {}
            Start::OldUpdate => {
                let half = self.noise(slot_len / 2);
                self.preload_slot(&half);
                self.preload_pages([6, 7], half.len() as u32);
            }
            Start::ForeignJournal => {
                self.preload_pages([u32::MAX - 1, u32::MAX], slot_len as u32);
            }
            Start::DirtySlot => {
                let (slot, journal) = (
                    self.noise(slot_len),
                    self.noise(self.journal_len() as usize),
                );
                self.preload_slot(&slot);
                self.preload_journal(0, &journal);
                for _ in 0..8 {
                    let at = self.power.below(slot_len) as u32;
                    self.poison_slot(at);
                    let at = self.power.below(journal.len()) as u32;
                    self.poison_journal(at);
                }
            }
        }
    }

    fn noise(&self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.power.random() as u8).collect()
    }

    /// Two pages with a record each, of an update that is not ours.
    fn preload_pages(&mut self, epochs: [u32; 2], frontier: u32) {
        let unit = self.slot.geometry().write_size as usize;
        let page = self.journal_len() / 2;
        let mark = Mark {
            frontier,
            reset: None,
        };
        for (k, epoch) in epochs.into_iter().enumerate() {
            let (mut header, mut record) = ([0; 1024], [0; 1024]);
            let head = Header {
                epoch,
                binding: [0xa5; 16],
                mark,
            };
            let tail = Record {
                epoch,
                sequence: 0,
                mark,
            };
            let len = head.emit(unit, &mut header).expect("fits");
            let more = tail.emit(unit, &mut record).expect("fits");
            let at = k as u32 * page;
            self.preload_journal(at, &header[..len]);
            self.preload_journal(at + len as u32, &record[..more]);
        }
    }
}
