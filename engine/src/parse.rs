//! The parse: which bytes of the new image are copied from where, at least cost.
//!
//! A Viterbi search over diagonals (source offset minus new offset): at each new
//! offset a diagonal goes on, another opens, or bytes are inserted, each at the price
//! the models are expected to ask. References count as predicted when the map of the
//! last round predicts them. What cannot win any more is dropped.

use crate::matching::Candidates;
use crate::plan::Segment;
use crate::price::{BIT, log2_fixed};
use crate::survey::References;
use deltamote_format::codec::Position;
use deltamote_format::isa::Kind;

/// Prices of the search in 1/1024 bit; found by measurement (compression research).
mod cost {
    use super::BIT;
    /// A byte that equals its source.
    pub const HIT: u64 = BIT * 3 / 100;
    /// A byte that does not, in a quiet stretch or among other misses.
    pub const MISS: u64 = 10 * BIT;
    pub const MISS_QUIET: u64 = 4 * BIT;
    pub const MISS_BUSY: u64 = BIT;
    /// A reference that is predicted; that is not, but is unchanged; that is neither.
    pub const REFERENCE_HIT: u64 = BIT * 6 / 100;
    pub const REFERENCE_SAME: u64 = 8 * BIT;
    pub const REFERENCE_MISS: u64 = 15 * BIT;
    /// Without a map: a far reference, a near one.
    pub const REFERENCE_FAR: u64 = 2 * BIT;
    pub const REFERENCE_NEAR: u64 = 8 * BIT;
    pub const REFERENCE_EQUAL: u64 = BIT * 3 / 10;
    pub const POINTER_UNKNOWN: u64 = 3 * BIT;
    pub const POINTER_HIT: u64 = BIT * 12 / 100;
    pub const POINTER_MISS: u64 = 14 * BIT;
    /// Starting to insert, to copy.
    pub const INSERT: u64 = 5 * BIT;
    pub const COPY: u64 = 8 * BIT;
    pub const COPY_SAME_DIAGONAL: u64 = 2 * BIT;
    pub const COPY_DISTANCE: u64 = 4 * BIT;
    /// A literal byte before anything is known of them.
    pub const LITERAL: u64 = BIT * 13 / 2;
    /// What a state may be worse than the best.
    pub const SLACK: u64 = 46 * BIT;
}

/// States kept at a new offset, at most.
const MOST_STATES: usize = 48;

/// What the parse looks at.
pub struct Subject<'a> {
    /// The images.
    pub old: &'a [u8],
    /// The images.
    pub new: &'a [u8],
    /// Their references.
    pub old_references: &'a References,
    /// Their references.
    pub new_references: &'a References,
    /// Where matches may come from.
    pub candidates: &'a Candidates,
}

/// What the last round taught.
#[derive(Debug)]
pub struct Experience {
    /// Predicted new target of each old reference.
    pub predicted: Vec<u32>,
    /// Price of inserting each new byte, in 1/1024 bit.
    pub literals: Vec<u16>,
}

const NONE: u32 = u32::MAX;

/// A decision on the way to a state: from `new` on, copy from `source` (or insert).
struct Node {
    new: u32,
    source: u32,
    parent: u32,
}

#[derive(Clone, Copy)]
struct State {
    /// Source minus new offset, in coordinates of old followed by new.
    diagonal: i64,
    cost: u64,
    parent: u32,
    /// Its node once it has become a parent.
    node: u32,
    start: u32,
    /// Bytes of a unit that are accounted for already.
    skip: u8,
    /// Bytes since the last miss, saturating.
    quiet: u8,
    /// Diagonal of the last copy from the old image.
    last_diagonal: i64,
}

struct Insert {
    cost: u64,
    parent: u32,
    node: u32,
    start: u32,
    last_diagonal: i64,
}

enum Best {
    Insert,
    Copy(usize),
}

/// Finds the copies.
pub fn parse(subject: &Subject<'_>, experience: Option<&Experience>) -> Vec<Segment> {
    let mut search = Search {
        subject,
        experience,
        nodes: Vec::new(),
        states: Vec::new(),
        insert: Insert {
            cost: 0,
            parent: NONE,
            node: NONE,
            start: 0,
            last_diagonal: 0,
        },
    };
    for at in 0..subject.new.len() {
        search.open(at);
        search.advance(at);
    }
    search.segments()
}

struct Search<'a> {
    subject: &'a Subject<'a>,
    experience: Option<&'a Experience>,
    nodes: Vec<Node>,
    states: Vec<State>,
    insert: Insert,
}

impl Search<'_> {
    fn best(&self) -> (u64, Best) {
        let mut best = (self.insert.cost, Best::Insert);
        for (i, state) in self.states.iter().enumerate() {
            if state.skip == 0 && state.cost < best.0 {
                best = (state.cost, Best::Copy(i));
            }
        }
        best
    }

    /// The node of the best state, made now if it has none.
    fn node(&mut self, best: &Best) -> u32 {
        let old_len = self.subject.old.len() as i64;
        debug_assert!(old_len >= 0);
        let (place, new, source, parent) = match *best {
            Best::Insert => {
                let s = &mut self.insert;
                (&mut s.node, s.start, NONE, s.parent)
            }
            Best::Copy(i) => {
                let s = &mut self.states[i];
                let source = (i64::from(s.start) + s.diagonal) as u32;
                (&mut s.node, s.start, source, s.parent)
            }
        };
        if *place == NONE {
            *place = self.nodes.len() as u32;
            self.nodes.push(Node {
                new,
                source,
                parent,
            });
        }
        *place
    }

    /// Opens copies and inserts at new offset `at`.
    fn open(&mut self, at: usize) {
        let (cost, best) = self.best();
        let (old, new) = (self.subject.old, self.subject.new);
        let (last_diagonal, inserting) = match best {
            Best::Insert => (self.insert.last_diagonal, true),
            Best::Copy(i) => (self.states[i].last_diagonal, false),
        };
        let limit = cost + cost::SLACK;
        let mut parent = NONE;
        let subject = self.subject;
        // An insert that replaced bytes is followed by the same diagonal.
        let resumed = at as i64 + last_diagonal;
        let resumes = inserting && resumed >= 0 && {
            let q = resumed as usize;
            let pair = |image: &[u8], i: usize| image.get(i..i + 2).map(|b| [b[0], b[1]]);
            let there = pair(old, q);
            q + 2 < old.len() && there.is_some() && there == pair(new, at)
        };
        let resumed = resumes.then_some(resumed as u32);
        for source in resumed
            .into_iter()
            .chain(subject.candidates.at(at).iter().copied())
        {
            let from_old = (source as usize) < old.len();
            let diagonal = i64::from(source) - at as i64;
            let price = if !from_old {
                let distance = old.len() + at - source as usize;
                cost::COPY + cost::COPY_DISTANCE + u64::from(log2_fixed(distance as u32)) * 13 / 10
            } else if diagonal == last_diagonal {
                cost::COPY + cost::COPY_SAME_DIAGONAL
            } else {
                let distance = diagonal.abs_diff(last_diagonal).min(u64::from(u32::MAX));
                cost::COPY
                    + cost::COPY_DISTANCE
                    + u64::from(log2_fixed(distance as u32)) * 115 / 100
            };
            let cost = cost + price;
            if cost > limit {
                continue;
            }
            let known = self.states.iter().position(|s| s.diagonal == diagonal);
            if known.is_some_and(|k| self.states[k].cost <= cost) {
                continue;
            }
            if parent == NONE {
                parent = self.node(&best);
            }
            let state = State {
                diagonal,
                cost,
                parent,
                node: NONE,
                start: at as u32,
                skip: 0,
                quiet: 8,
                last_diagonal: if from_old { diagonal } else { last_diagonal },
            };
            match known {
                Some(k) => self.states[k] = state,
                None => self.states.push(state),
            }
        }
        if cost + cost::INSERT < self.insert.cost {
            if parent == NONE {
                parent = self.node(&best);
            }
            self.insert = Insert {
                cost: cost + cost::INSERT,
                parent,
                node: NONE,
                start: at as u32,
                last_diagonal,
            };
        }
        self.states.retain(|s| s.cost <= limit || s.skip > 0);
        if self.states.len() > MOST_STATES {
            self.states.sort_by_key(|s| (s.cost, s.diagonal));
            self.states.truncate(MOST_STATES);
        }
    }

    /// Takes new byte `at`.
    fn advance(&mut self, at: usize) {
        self.insert.cost += match self.experience {
            Some(e) => u64::from(e.literals[at]),
            None => cost::LITERAL,
        };
        let old_len = self.subject.old.len();
        let mut k = 0;
        while k < self.states.len() {
            let state = &self.states[k];
            if state.skip > 0 {
                self.states[k].skip -= 1;
                k += 1;
                continue;
            }
            let source = at as i64 + state.diagonal;
            let started_old = (i64::from(state.start) + state.diagonal) < old_len as i64;
            let is_old = source < old_len as i64;
            let inside = if started_old {
                is_old && source >= 0
            } else {
                !is_old && (source as usize - old_len) < at
            };
            if !inside {
                self.states.swap_remove(k);
                continue;
            }
            let unit = self.unit(source as usize, at);
            let state = &mut self.states[k];
            match unit {
                Some((price, len)) => {
                    state.cost += price;
                    state.skip = len - 1;
                    if price > 5 * BIT {
                        state.quiet = 0;
                    }
                }
                None => {
                    let byte = if is_old {
                        self.subject.old[source as usize]
                    } else {
                        self.subject.new[source as usize - old_len]
                    };
                    if byte == self.subject.new[at] {
                        state.cost += cost::HIT + cost::HIT * 16 / (1 + u64::from(state.quiet));
                        state.quiet = state.quiet.saturating_add(1);
                    } else {
                        let busy = state.quiet <= 4;
                        state.cost += cost::MISS
                            + if busy {
                                cost::MISS_BUSY
                            } else {
                                cost::MISS_QUIET
                            };
                        state.quiet = 0;
                    }
                }
            }
            k += 1;
        }
    }

    /// Price and length of the unit at new offset `at` when copied from `source`, if
    /// both are references that differ in their target at most.
    #[inline]
    fn unit(&self, source: usize, at: usize) -> Option<(u64, u8)> {
        let n = self.subject.new_references.at(at)?;
        let old_len = self.subject.old.len();
        let (from_new, o) = if source < old_len {
            (false, self.subject.old_references.at(source)?)
        } else {
            (true, self.subject.new_references.at(source - old_len)?)
        };
        let there = if from_new {
            &self.subject.new_references.known[o]
        } else {
            &self.subject.old_references.known[o]
        };
        let here = &self.subject.new_references.known[n];
        let (a, b) = (&there.reference, &here.reference);
        if a.kind != b.kind || a.len != b.len || there.blank != here.blank {
            return None;
        }
        let pointer = matches!(a.kind, Kind::Pointer | Kind::Ram);
        if pointer && (at | source) & 3 != 0 && !from_new {
            return None;
        }
        let equal = self.same_bytes(source, at, usize::from(a.len));
        if pointer && equal {
            return None;
        }
        let price = match (self.experience, pointer) {
            (Some(e), _) => {
                let predicted = if from_new { a.target } else { e.predicted[o] };
                match (predicted == b.target, pointer) {
                    (true, false) => cost::REFERENCE_HIT,
                    (true, true) => cost::POINTER_HIT,
                    (false, true) => cost::POINTER_MISS,
                    (false, false) if equal => cost::REFERENCE_SAME,
                    (false, false) => cost::REFERENCE_MISS,
                }
            }
            (None, true) => cost::POINTER_UNKNOWN,
            (None, false) if equal => cost::REFERENCE_EQUAL,
            (None, false) => match a.kind {
                Kind::Call | Kind::Jump | Kind::Page | Kind::Low | Kind::Literal => {
                    cost::REFERENCE_FAR
                }
                _ => cost::REFERENCE_NEAR,
            },
        };
        Some((price, a.len))
    }

    fn same_bytes(&self, source: usize, at: usize, len: usize) -> bool {
        let (old, new) = (self.subject.old, self.subject.new);
        let there = match source.checked_sub(old.len()) {
            None => old.get(source..source + len),
            Some(q) => new.get(q..q + len),
        };
        there.is_some() && there == new.get(at..at + len)
    }

    fn segments(mut self) -> Vec<Segment> {
        let (_, best) = self.best();
        let old_len = self.subject.old.len() as u32;
        let mut found: Vec<Segment> = Vec::new();
        let mut end = self.subject.new.len() as u32;
        let mut at = self.node(&best);
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.source != NONE && end > node.new {
                let source = match node.source.checked_sub(old_len) {
                    None => Position::Old(node.source),
                    Some(q) => Position::New(q),
                };
                found.push(Segment {
                    new: node.new,
                    source,
                    len: end - node.new,
                    mapped: false,
                });
            }
            end = node.new;
            at = node.parent;
        }
        found.reverse();
        merged(found)
    }
}

/// Joins neighbours that go on where the one before ended.
fn merged(found: Vec<Segment>) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::with_capacity(found.len());
    for segment in found {
        if let Some(last) = out.last_mut() {
            let goes_on = match (last.source, segment.source) {
                (Position::Old(a), Position::Old(b)) => a + last.len == b,
                (Position::New(a), Position::New(b)) => a + last.len == b,
                _ => false,
            };
            if goes_on && last.end() == segment.new {
                last.len += segment.len;
                continue;
            }
        }
        out.push(segment);
    }
    out
}
