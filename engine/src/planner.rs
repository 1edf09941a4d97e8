//! From two images to the plan of a patch: survey, matching, parse, in rounds.
//!
//! Each round prices the plan with the real models, learns what references are
//! predicted and what insertions cost, and parses again; the cheapest plan wins.

use crate::encode::{self, Pricing};
use crate::equivalence;
use crate::image::Image;
use crate::matching::{Candidates, Effort, Shape, Shapes, approximate, normalised};
use crate::parse::{Experience, Subject, parse};
use crate::plan::{Plan, Segment};
use crate::price::BIT;
use crate::refine::{Patience, refine};
use crate::survey::{self, Known, References};
use crate::{Error, Level, Progress};
use deltamote_format::Profile;
use deltamote_format::codec::{Codec, Header, Region, ValueRange};
use deltamote_format::coder::Section;
use deltamote_format::isa::Isa;
use deltamote_format::model::Prior;

/// What shapes a plan.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'p> {
    /// Tables of the decoder.
    pub profile: Profile,
    /// How hard to try.
    pub level: Level,
    /// Instruction set, where the user knows better than detection.
    pub isa: Option<Isa>,
    /// Load address, likewise.
    pub base: Option<u32>,
    /// Trained initial state of the models.
    pub prior: Option<Prior<'p>>,
}

/// A plan and what it costs.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Its price.
    pub pricing: Pricing,
    /// Its payload, if it was encoded on the way.
    pub payload: Option<Vec<u8>>,
}

/// Images up to this size are never worth a reset (SPEC §6.9).
const NO_RESET_BELOW: usize = 128 << 10;
/// log2 of the distance of possible resets.
const RESET_LOG2: u8 = 16;

/// Old and new together above this size (bytes) are matched approximately: two suffix
/// arrays of everything would take more memory than is worth it.
const APPROXIMATE_FROM: usize = 96 << 20;

/// The same at level `fast`, which has the time only where there is little to sort.
const FAST_APPROXIMATE_FROM: usize = 200 << 10;

/// Price of an inserted byte of which nothing is known.
const LITERAL: u64 = BIT * 13 / 2;

/// Value ranges that level `fast` tries.
const FAST_RANGES: usize = 2;

/// Whether so much is new that the first plan, made without experience, is not worth a
/// price: the next will be better. Where little is new it may be the best of all.
fn rewritten(plan: &Plan) -> bool {
    let new_len = plan.header.new_len;
    let copied: u32 = plan.segments.iter().map(|s| s.len).sum();
    new_len.saturating_sub(copied) > new_len / 16
}

fn effort(level: Level) -> Effort {
    match level {
        Level::Fast => Effort {
            neighbours: 2,
            least_plain: 6,
            least_blank: 8,
            skip_from: 64,
        },
        Level::Default => Effort {
            neighbours: 4,
            least_plain: 5,
            least_blank: 8,
            skip_from: 128,
        },
        Level::Best => Effort {
            neighbours: 6,
            least_plain: 5,
            least_blank: 6,
            skip_from: 512,
        },
    }
}

fn shapes(level: Level) -> Shapes {
    let list: &[Shape] = match level {
        Level::Fast | Level::Default => &[Shape::NIBBLES, Shape::HALFWORDS],
        Level::Best => &[Shape::NIBBLES, Shape::HALFWORDS, Shape::PAIRS],
    };
    Shapes {
        list,
        long: level != Level::Fast,
    }
}

fn rounds(level: Level) -> u32 {
    match level {
        Level::Fast => 1,
        Level::Default => 2,
        Level::Best => 4,
    }
}

fn patience(level: Level) -> Patience {
    match level {
        Level::Fast => Patience {
            passes: 2,
            trials: 3000,
            at_once: 3000,
        },
        Level::Default => Patience {
            passes: 4,
            trials: 16_000,
            at_once: usize::MAX,
        },
        Level::Best => Patience {
            passes: 16,
            trials: usize::MAX,
            at_once: usize::MAX,
        },
    }
}

/// Makes the plan for `old` to `new`.
pub fn plan(
    old: &Image,
    new: &Image,
    settings: &Settings<'_>,
    progress: &dyn Progress,
) -> Result<Planned, Error> {
    let work = Work {
        old: old.bytes(),
        new: new.bytes(),
        settings,
        progress,
    };
    let (mut header, known) = work.header(old, new);
    let mut best = work.rounds(&header)?;
    if header.regions().len() > 1 && settings.level != Level::Fast {
        // Data that looks like code of another kind would cost, not pay.
        let single = header.with_main_region();
        let other = work.rounds(&single)?;
        if other.pricing.total < best.pricing.total {
            (header, best) = (single, other);
        }
    }
    if !known {
        let images = (work.old, work.new);
        let found = survey::base_from_changes(images, &best.plan.segments);
        if let Some(base) = found {
            header = header.with_spaces(&survey::whole(work.old, work.new, base).spaces);
            header.zero_based = base == 0;
            best = cheaper(best, work.rounds(&header)?);
        }
    }
    if settings.level == Level::Fast {
        return work.refined(best);
    }
    // Images that only look like code, or whose references stayed as they were.
    let mut plain = Header::new(header.old_len, header.new_len, Isa::None);
    plain.reset_log2 = header.reset_log2;
    if work.improves(&mut best, plain.clone())? {
        best = cheaper(best, work.rounds(&plain)?);
    }
    let ranges = work.paying_ranges(&best)?;
    if !ranges.is_empty() {
        let mut header = best.plan.header.clone();
        header.set_ranges(&ranges);
        work.improves(&mut best, header.clone())?;
        best = cheaper(best, work.rounds(&header)?);
    }
    best = work.refined(best)?;
    best = work.trimmed(best)?;
    Ok(best)
}

/// The cheaper of two plans; the first, when they cost the same.
fn cheaper(a: Planned, b: Planned) -> Planned {
    if b.pricing.total < a.pricing.total {
        b
    } else {
        a
    }
}

struct Work<'a> {
    old: &'a [u8],
    new: &'a [u8],
    settings: &'a Settings<'a>,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    /// The header but for value ranges, and whether its addresses are known.
    fn header(&self, old: &Image, new: &Image) -> (Header, bool) {
        let whole = |isa| {
            vec![Region {
                end: self.new.len() as u32,
                isa,
            }]
        };
        let stated = self.settings.isa.or(new.isa());
        let regions = stated.map_or_else(|| survey::regions(self.new), whole);
        let isa = regions.first().map_or(Isa::None, |r| r.isa);
        let mut header = Header::new(self.old.len() as u32, self.new.len() as u32, isa);
        header.set_regions(&regions);
        let addresses = survey::spaces(old, new, isa, self.settings.base);
        header = header.with_spaces(&addresses.spaces);
        header.zero_based = addresses.zero_based;
        if self.new.len() > NO_RESET_BELOW {
            header.reset_log2 = RESET_LOG2;
        }
        (header, addresses.known)
    }

    fn price(&self, plan: &Plan, literals: bool) -> Result<Pricing, Error> {
        let mut words = encode::workspace(self.settings.profile);
        let (pricing, _) = self.price_in(&mut words, plan, literals)?;
        Ok(pricing)
    }

    fn price_in<'w>(
        &self,
        words: &'w mut [u16],
        plan: &Plan,
        literals: bool,
    ) -> Result<(Pricing, deltamote_format::codec::Codec<'w, '_>), Error> {
        let images = (self.old, self.new);
        let s = self.settings;
        Ok(encode::price(
            words, plan, images, s.profile, s.prior, literals,
        )?)
    }

    /// Where copies may come from.
    fn candidates(
        &self,
        header: &Header,
        old_references: &References,
        new_references: &References,
    ) -> Candidates {
        let any = !(old_references.known.is_empty() && new_references.known.is_empty());
        let blank = any.then(|| {
            rayon::join(
                || normalised(self.old, old_references, header),
                || normalised(self.new, new_references, header),
            )
        });
        let blank = blank.as_ref().map(|(old, new)| (&old[..], &new[..]));
        let shapes = shapes(self.settings.level);
        let approximate = || {
            // What is equal as it stands is equal blanked, but for a few pointers.
            approximate(blank.unwrap_or((self.old, self.new)), shapes)
        };
        let most = match self.settings.level {
            Level::Fast => FAST_APPROXIMATE_FROM,
            Level::Default | Level::Best => APPROXIMATE_FROM,
        };
        if self.old.len() + self.new.len() > most {
            return approximate();
        }
        let effort = effort(self.settings.level);
        Candidates::find((self.old, self.new), blank, &effort).with(approximate())
    }

    /// Parses under `header` until it stops paying.
    fn rounds(&self, header: &Header) -> Result<Planned, Error> {
        let (old_references, new_references) = rayon::join(
            || References::scan(self.old, header, false),
            || References::scan(self.new, header, true),
        );
        self.progress.phase("match", 1);
        let candidates = self.candidates(header, &old_references, &new_references);
        let subject = Subject {
            old: self.old,
            new: self.new,
            old_references: &old_references,
            new_references: &new_references,
            candidates: &candidates,
        };
        let most = self.settings.profile.limits().map_entries;
        let planned = |mut segments: Vec<Segment>| {
            equivalence::choose(
                &mut segments,
                header,
                &old_references,
                &new_references,
                most,
            );
            Plan {
                header: header.clone(),
                segments,
            }
        };
        self.progress.advance(1);
        self.progress
            .phase("plan", u64::from(rounds(self.settings.level)) + 1);
        let mut current = planned(parse(&subject, None));
        let mut best: Option<Planned> = None;
        for round in 0..=rounds(self.settings.level) {
            self.progress.advance(1);
            let last = round == rounds(self.settings.level);
            if last && self.settings.level == Level::Fast {
                let other = self.with_first_ranges(&current, &old_references);
                let done = self.cheaper_of(current, other)?;
                return Ok(match best {
                    Some(best) => cheaper(best, done),
                    None => done,
                });
            }
            let mut words = encode::workspace(self.settings.profile);
            let predicted = |codec: &Codec<'_, '_>| {
                let target =
                    |k: &Known| codec.predicted_target(k.reference.target, k.reference.kind);
                old_references.known.iter().map(target).collect()
            };
            if round == 0 && rewritten(&current) {
                let s = self.settings;
                let images = (self.old, self.new);
                let codec = encode::sketch(&mut words, &current, images, s.profile, s.prior)?;
                let experience = Experience {
                    predicted: predicted(&codec),
                    literals: vec![LITERAL as u16; self.new.len()],
                };
                current = planned(parse(&subject, Some(&experience)));
                continue;
            }
            let (pricing, codec) = self.price_in(&mut words, &current, !last)?;
            let experience = (!last).then(|| Experience {
                predicted: predicted(&codec),
                literals: literal_prices(&pricing),
            });
            let better = best
                .as_ref()
                .is_none_or(|b| pricing.total < b.pricing.total);
            let done = Planned {
                plan: current,
                pricing,
                payload: None,
            };
            if better {
                best = Some(done);
            } else if round > 1 {
                break;
            }
            let Some(experience) = experience else { break };
            current = planned(parse(&subject, Some(&experience)));
        }
        best.ok_or(Error::internal("no plan was made"))
    }

    /// The plan with the most promising value ranges, unasked.
    fn with_first_ranges(&self, plan: &Plan, old_references: &References) -> Option<Plan> {
        let images = (self.old, self.new);
        let mut ranges = survey::ranges(images, &plan.segments, &plan.header, old_references);
        ranges.truncate(FAST_RANGES);
        ranges.sort_by_key(|r| r.start);
        let mut other = plan.clone();
        other.header.set_ranges(&ranges);
        (!ranges.is_empty()).then_some(other)
    }

    /// Encodes two plans at once; gives the cheaper.
    fn cheaper_of(&self, plan: Plan, other: Option<Plan>) -> Result<Planned, Error> {
        let encoded = |plan: Plan| -> Result<Planned, Error> {
            let settings = self.settings;
            let images = (self.old, self.new);
            let (payload, pricing) =
                encode::encode_priced(&plan, images, settings.profile, settings.prior)?;
            Ok(Planned {
                plan,
                pricing,
                payload: Some(payload),
            })
        };
        let (done, rival) = rayon::join(|| encoded(plan), || other.map(encoded));
        match rival.transpose()? {
            Some(rival) => Ok(cheaper(done?, rival)),
            None => done,
        }
    }

    /// The plan after small changes that the real coder likes.
    fn refined(&self, planned: Planned) -> Result<Planned, Error> {
        let s = self.settings;
        let images = (self.old, self.new);
        let plan = refine(&planned.plan, images, s.profile, s.prior, patience(s.level))?;
        let Some(plan) = plan else {
            return Ok(planned);
        };
        let pricing = self.price(&plan, false)?;
        Ok(Planned {
            plan,
            pricing,
            payload: None,
        })
    }

    /// Leaves out of the header what does not pay for itself, by the real coder.
    fn trimmed(&self, planned: Planned) -> Result<Planned, Error> {
        let mut best = planned;
        let spaces = best.plan.header.spaces().to_vec();
        if spaces.len() > 1 {
            let mut kept = spaces.clone();
            for space in spaces {
                let without: Vec<_> = kept.iter().copied().filter(|s| *s != space).collect();
                let header = best.plan.header.clone().with_spaces(&without);
                if self.improves(&mut best, header)? {
                    kept = without;
                }
            }
        }
        let mut header = best.plan.header.clone();
        header.zero_based = !header.zero_based;
        self.improves(&mut best, header)?;
        let mut header = best.plan.header.clone();
        header.learn_map = !header.learn_map;
        self.improves(&mut best, header)?;
        Ok(best)
    }

    /// Gives the plan `header` if that makes it cheaper.
    fn improves(&self, best: &mut Planned, header: Header) -> Result<bool, Error> {
        let plan = Plan {
            header,
            segments: best.plan.segments.clone(),
        };
        let pricing = self.price(&plan, false)?;
        let better = pricing.total < best.pricing.total;
        if better {
            *best = Planned {
                plan,
                pricing,
                payload: None,
            };
        }
        Ok(better)
    }

    /// The value ranges that make `planned` cheaper, by the real coder.
    fn paying_ranges(&self, planned: &Planned) -> Result<Vec<ValueRange>, Error> {
        let header = &planned.plan.header;
        let references = References::scan(self.old, header, false);
        let images = (self.old, self.new);
        let candidates = survey::ranges(images, &planned.plan.segments, header, &references);
        let mut plan = planned.plan.clone();
        let mut least = planned.pricing.total;
        let mut kept: Vec<ValueRange> = Vec::new();
        for candidate in candidates {
            let mut trial = kept.clone();
            trial.push(candidate);
            trial.sort_by_key(|r| r.start);
            if trial.len() > deltamote_format::codec::MAX_RANGES {
                break;
            }
            plan.header.set_ranges(&trial);
            let price = self.price(&plan, false)?.total;
            if price < least {
                least = price;
                kept = trial;
            }
        }
        Ok(kept)
    }
}

/// What inserting each new byte is expected to cost: half its own price where it was
/// inserted, half the mean; the mean elsewhere.
fn literal_prices(pricing: &Pricing) -> Vec<u16> {
    let inserted = pricing.literals.iter().filter(|&&p| p > 0).count() as u64;
    let mean = if inserted > 256 {
        pricing.by_section[Section::Literals as usize] / inserted
    } else {
        LITERAL
    };
    let blend = |&own: &u16| match own {
        0 => mean as u16,
        own => ((u64::from(own) + mean) / 2) as u16,
    };
    pricing.literals.iter().map(blend).collect()
}
