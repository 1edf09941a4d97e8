//! Makes a plan cheaper by small changes, each tried on the real coder.
//!
//! The parse works with expected prices; what a copy, an insertion or a map entry really
//! costs depends on all that was coded before it. So each of many small changes (a copy
//! left out, taken over by a neighbour, longer, shorter, in the map or not) is coded from a
//! fork of the codec in front of it to a little behind it. Changes that gain there and do
//! not touch each other are made together, and stay if the whole plan is cheaper.

mod edits;
mod trial;

use crate::Error;
use crate::encode::workspace;
use crate::plan::{Plan, Segment};
use deltamote_format::Profile;
use deltamote_format::model::Prior;
use edits::{Edit, Subject};
use rayon::prelude::*;
use trial::{Marked, Setting, Standing, Walk};

/// Segments whose edits are tried as one task, from codecs kept in front of them.
const BATCH: usize = 16;
/// So many tasks at a time.
const AHEAD: usize = 4;
/// Words of codec state above which a fork costs more than it gains.
const MOST_WORDS: usize = 1 << 16;
/// Edits below which single changes of the map are priced on the whole plan.
const FEW: usize = 8192;
/// Such prices in a pass: so many bytes of new image are gone over, and so many at most.
const SINGLE_BYTES: usize = 1 << 20;
const MOST_SINGLE: usize = 48;
/// Copies before and behind an edit that are tried again.
const NEAR: usize = 3;

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Times that changes are tried, each time around what was changed the last time.
    pub passes: usize,
    /// No further time once so many have been tried.
    pub trials: usize,
    /// No time at all if more than so many would be tried at once.
    pub at_once: usize,
}

/// A cheaper plan than `plan`, if one is found, by changing its copies.
pub(crate) fn refine(
    plan: &Plan,
    images: (&[u8], &[u8]),
    profile: Profile,
    prior: Option<Prior<'_>>,
    patience: Patience,
) -> Result<Option<Plan>, Error> {
    if workspace(profile).len() > MOST_WORDS {
        return Ok(None);
    }
    let (old, new) = images;
    let setting = Setting {
        old,
        new,
        profile,
        prior,
    };
    let mut best = plan.clone();
    let mut changed = false;
    let mut touched = vec![true; plan.segments.len()];
    let mut trials = 0;
    for _ in 0..patience.passes {
        if trials > patience.trials {
            break;
        }
        let Some((next, near)) = setting.pass(&best, &touched, patience.at_once, &mut trials)?
        else {
            break;
        };
        (best, touched) = (next, near);
        changed = true;
    }
    Ok(changed.then_some(best))
}

/// Edits that will be made, and what the plan costs with them, in 1/1024 bit.
struct Chosen<'g> {
    edits: Vec<&'g Edit>,
    least: u64,
}

/// An edit and what it saves, in 1/1024 bit.
struct Gain {
    edit: Edit,
    saves: i64,
}

impl<'a> Setting<'a> {
    /// Tries changes of `plan` where it was `touched`; gives a cheaper one, and where that was
    /// touched.
    fn pass(
        &self,
        plan: &Plan,
        touched: &[bool],
        at_once: usize,
        trials: &mut usize,
    ) -> Result<Option<(Plan, Vec<bool>)>, Error> {
        let subject = Subject {
            old: self.old,
            new: self.new,
            segments: &plan.segments,
        };
        let edits = subject.edits(touched);
        *trials += edits.len();
        if edits.len() > at_once {
            return Ok(None);
        }
        let few = edits.len() < FEW;
        let marked = self.mark(plan)?;
        let mut gains = self.gains(&marked, edits)?;
        // Ties by place, so that the order is the same everywhere.
        gains.sort_by(|a, b| b.saves.cmp(&a.saves).then(a.edit.first.cmp(&b.edit.first)));
        let (of_map, of_ops): (Vec<Gain>, Vec<Gain>) = gains
            .into_iter()
            .partition(|g| g.edit.moves_map(&plan.segments));
        let mut chosen = Chosen {
            least: marked.total,
            edits: Vec::new(),
        };
        self.together(plan, &of_ops, &mut chosen);
        self.together(plan, &of_map, &mut chosen);
        // What a change of the map does to references elsewhere, no trial sees.
        let most = if few {
            SINGLE_BYTES / self.new.len()
        } else {
            0
        };
        self.singly(plan, &of_map, &mut chosen, most.min(MOST_SINGLE));
        Ok((!chosen.edits.is_empty()).then(|| edited(plan, &chosen.edits)))
    }

    /// What each of `edits`, in the order of their places, saves; those that save nothing
    /// are left out.
    fn gains(&self, marked: &Marked<'_>, edits: Vec<Edit>) -> Result<Vec<Gain>, Error> {
        let size = workspace(self.profile).len();
        let mut arena = vec![vec![0u16; size]; AHEAD * BATCH];
        let mut gains = Vec::new();
        let mut edits = edits.as_slice();
        let mut words = workspace(self.profile);
        let mut walk = Walk::new(self, marked.plan, &mut words)?;
        let count = marked.plan.segments.len();
        for first in (0..count).step_by(AHEAD * BATCH) {
            let mut found: [Vec<Gain>; AHEAD] = Default::default();
            // The walk goes on while the edits behind it are tried.
            rayon::scope(|scope| {
                let starts = (first..count).step_by(BATCH);
                for ((words, found), start) in arena.chunks_mut(BATCH).zip(&mut found).zip(starts) {
                    let end = (start + BATCH).min(count);
                    let standing = words[..end - start]
                        .iter_mut()
                        .map(|words| walk.stand(words))
                        .collect::<Result<Vec<_>, Error>>()?;
                    let here = edits.partition_point(|e| e.first < end);
                    let (batch, rest) = edits.split_at(here);
                    edits = rest;
                    scope.spawn(move |_| *found = self.tried(marked, &standing, start, batch));
                }
                Ok::<(), Error>(())
            })?;
            gains.extend(found.into_iter().flatten());
        }
        Ok(gains)
    }

    /// What each of `edits` saves, `standing` being in front of the segments from `first` on.
    fn tried(
        &self,
        marked: &Marked<'_>,
        standing: &[Standing<'_, 'a>],
        first: usize,
        edits: &[Edit],
    ) -> Vec<Gain> {
        let tried = edits.par_chunks(8).flat_map_iter(|chunk| {
            let mut words = workspace(self.profile);
            let gains = chunk.iter().filter_map(|edit| {
                let from = standing.get(edit.first - first)?;
                // A trial that the codec refuses is none.
                let saves = self.gain(marked, from, edit, &mut words).ok()?;
                let edit = edit.clone();
                (saves > 0).then_some(Gain { edit, saves })
            });
            gains.collect::<Vec<_>>()
        });
        tried.collect()
    }

    /// Adds those of `gains`, best first, that save something with the rest: all, or the
    /// better half of them, or of that.
    fn together<'g>(&self, plan: &Plan, gains: &'g [Gain], chosen: &mut Chosen<'g>) {
        let before = chosen.edits.len();
        for gain in gains {
            if apart(&chosen.edits, &gain.edit) {
                chosen.edits.push(&gain.edit);
            }
        }
        while chosen.edits.len() > before {
            if let Ok(price) = self.price(&edited(plan, &chosen.edits).0)
                && price < chosen.least
            {
                chosen.least = price;
                return;
            }
            let more = chosen.edits.len() - before;
            chosen.edits.truncate(before + more / 2);
        }
    }

    /// Adds those of `gains` that save something on the whole plan; prices `most` of them.
    fn singly<'g>(&self, plan: &Plan, gains: &'g [Gain], chosen: &mut Chosen<'g>, most: usize) {
        let untouched = |g: &&Gain| apart(&chosen.edits, &g.edit);
        let left: Vec<&Gain> = gains.iter().filter(untouched).take(most).collect();
        for gain in left {
            if !apart(&chosen.edits, &gain.edit) {
                continue;
            }
            chosen.edits.push(&gain.edit);
            match self.price(&edited(plan, &chosen.edits).0) {
                Ok(price) if price < chosen.least => chosen.least = price,
                _ => {
                    chosen.edits.pop();
                }
            }
        }
    }

    fn price(&self, plan: &Plan) -> Result<u64, Error> {
        let mut words = workspace(self.profile);
        let images = (self.old, self.new);
        let (pricing, _) =
            crate::encode::price(&mut words, plan, images, self.profile, self.prior, false)?;
        Ok(pricing.total)
    }
}

/// Whether `edit` touches none of `others`.
fn apart(others: &[&Edit], edit: &Edit) -> bool {
    let clear = |o: &&Edit| edit.first > o.last || o.first > edit.last;
    others.iter().all(clear)
}

/// `plan` with all of `edits`, which do not touch each other, and which of its copies are
/// near one.
fn edited(plan: &Plan, edits: &[&Edit]) -> (Plan, Vec<bool>) {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|e| e.first);
    let mut segments: Vec<Segment> = Vec::with_capacity(plan.segments.len() + edits.len());
    let mut places = Vec::with_capacity(edits.len());
    let mut from = 0;
    for edit in edits {
        segments.extend_from_slice(&plan.segments[from..edit.first]);
        places.push(segments.len());
        segments.extend_from_slice(&edit.with);
        from = edit.last;
    }
    segments.extend_from_slice(&plan.segments[from..]);
    let mut touched = vec![false; segments.len()];
    for place in places {
        let end = (place + NEAR).min(touched.len());
        touched[place.saturating_sub(NEAR)..end].fill(true);
    }
    let header = plan.header.clone();
    (Plan { header, segments }, touched)
}

#[cfg(test)]
mod tests;
