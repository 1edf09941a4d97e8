//! Rules broken on purpose, so that the power-cut harness can show that it would notice.
//!
//! Without the feature `_sabotage`, which only tests enable, nothing is ever broken and
//! all of this is constant. A process breaks one rule at a time.

/// A rule of the journal or of the hand-over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Rule {
    /// J5: a resumed session erases the block at the frontier.
    EraseAgain = 1,
    /// J3: what reads as erased is not taken for erased.
    BlankIsNoProof,
    /// J3, J4: after a reset the journal goes on in another page, erased then.
    FreshPage,
    /// J9: the flag is set behind the comparison of the digest.
    DigestFirst,
    /// J7: the journal is taken over before the slot is erased.
    JournalFirst,
    /// J2: a record counts only with its checksum.
    Checksum,
    /// A record is written behind what it says.
    RecordLast,
    /// J7, J9: an earlier hand-over is taken back before the slot is erased.
    ClearPending,
    /// J5: what may be programmed once is not gone on with inside a block.
    WriteOnce,
    /// J5: where it may be gone on with, there is a checkpoint inside a block.
    Checkpoint,
    /// J10: a reset point is recorded with the next checkpoint.
    Reset,
    /// J10: at once, if it lies at one.
    ResetAtOnce,
    /// J10: one that was passed below the frontier is in the page that is opened then.
    ResetInHeader,
    /// J10: decoding goes on at the reset point recorded last.
    Resume,
}

#[cfg(feature = "_sabotage")]
mod switch {
    use super::Rule;
    use core::sync::atomic::{AtomicU8, Ordering};

    static BROKEN: AtomicU8 = AtomicU8::new(0);

    /// Breaks `rule`, or none.
    pub fn break_rule(rule: Option<Rule>) {
        BROKEN.store(rule.map_or(0, |rule| rule as u8), Ordering::SeqCst);
    }

    /// Whether `rule` is broken.
    pub(crate) fn broken(rule: Rule) -> bool {
        BROKEN.load(Ordering::SeqCst) == rule as u8
    }
}

#[cfg(feature = "_sabotage")]
pub use switch::break_rule;
#[cfg(feature = "_sabotage")]
pub(crate) use switch::broken;

/// Whether `rule` is broken: never.
#[cfg(not(feature = "_sabotage"))]
#[inline(always)]
pub(crate) const fn broken(_: Rule) -> bool {
    false
}
