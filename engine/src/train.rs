//! Training of initial model states.
//!
//! Every pair of a training set is planned and coded from blank models; the states in
//! which the models end are averaged: probabilities in the logistic domain, weighed by
//! how often a slot was used, counts damped so that the first misses of a real patch
//! can still move them. Used by `deltamote-bench train`; floating point is allowed
//! here because the result is a file in the repository, not something made on the fly.

use crate::plan::Plan;

use crate::{Error, encode};
use deltamote_format::Profile;
use deltamote_format::model::{Models, WordKind};

/// Largest count of a trained slot: it stays ready to learn.
const MOST_COUNT: f64 = 5.0;
/// Uses that make up one step of the count.
const USES_PER_COUNT: f64 = 3.0;
/// Blank states that weigh against what mixer weights were seen to become.
const BLANK_VOTES: f64 = 2.0;

/// Adds up what the models of one profile learned.
#[derive(Debug)]
pub struct Trainer {
    blank: Vec<(u16, WordKind)>,
    weight: Vec<f64>,
    sum: Vec<f64>,
}

/// The words of the models of `profile` after coding `plan` from blank ones.
pub fn learned(plan: &Plan, images: (&[u8], &[u8]), profile: Profile) -> Result<Vec<u16>, Error> {
    let mut words = encode::workspace(profile);
    let mut plan = plan.clone();
    // A reset would throw away what the first part taught.
    plan.header.reset_log2 = 0;
    let (_, mut codec) = encode::price(&mut words, &plan, images, profile, None, false)?;
    let mut out = Vec::new();
    codec.models_mut().dump(|word, _| out.push(word));
    Ok(out)
}

fn logit(slot: u16) -> f64 {
    let p = (f64::from(slot >> 4) + 0.5) / 4096.0;
    (p / (1.0 - p)).ln()
}

impl Trainer {
    /// A trainer that has seen nothing.
    pub fn new(profile: Profile) -> Result<Trainer, Error> {
        let limits = profile.limits();
        let mut words = vec![0; Models::words(&limits)];
        let mut rest = words.as_mut_slice();
        let mut models = Models::carve(&mut rest, &limits)?;
        models.reset(&[]);
        let mut blank = Vec::new();
        models.dump(|word, kind| blank.push((word, kind)));
        Ok(Trainer {
            weight: vec![0.0; blank.len()],
            sum: vec![0.0; blank.len()],
            blank,
        })
    }

    /// Adds what the models had learned when they were [`learned`].
    pub fn add(&mut self, learned: &[u16]) {
        for (at, &word) in learned.iter().enumerate() {
            let (blank, kind) = self.blank[at];
            match kind {
                WordKind::Slot => {
                    let uses = f64::from(word & 15);
                    self.weight[at] += uses;
                    self.sum[at] += uses * logit(word);
                }
                WordKind::Weight if word != blank => {
                    self.weight[at] += 1.0;
                    self.sum[at] += f64::from(word as i16);
                }
                WordKind::Weight => {}
            }
        }
    }

    /// The words of the trained state.
    pub fn finish(&self) -> Vec<u16> {
        let trained = |at: usize| {
            let (blank, kind) = self.blank[at];
            let (weight, sum) = (self.weight[at], self.sum[at]);
            match kind {
                _ if weight == 0.0 => blank,
                WordKind::Slot => {
                    let p = 1.0 / (1.0 + (-sum / weight).exp());
                    let count = (weight / USES_PER_COUNT).min(MOST_COUNT) as u16;
                    ((p * 4096.0) as u16).clamp(1, 4094) << 4 | count
                }
                WordKind::Weight => {
                    let start = f64::from(blank as i16) * BLANK_VOTES;
                    ((sum + start) / (weight + BLANK_VOTES)) as i16 as u16
                }
            }
        };
        (0..self.blank.len()).map(trained).collect()
    }
}
