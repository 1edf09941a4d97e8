//! Drives the codec over a plan: to bytes, or to a price.

use crate::plan::{Plan, Written};
use crate::price::{Measuring, PriceCounter, Sketch};
use deltamote_format::codec::{Codec, Step};
use deltamote_format::coder::{Coder, Encoder, Section, Sink};
use deltamote_format::model::Prior;
use deltamote_format::{Error, Profile};

/// Stretches of the new image that prices are told apart by.
pub const PLACES: usize = 64;

/// Adds up prices by place in the new image.
#[derive(Debug)]
pub(crate) struct Places {
    /// Price of each stretch in 1/1024 bit.
    pub prices: Vec<u64>,
    stretch: usize,
    seen: u64,
}

impl Places {
    pub fn new(new_len: usize) -> Self {
        Places {
            prices: vec![0; PLACES],
            stretch: new_len.div_ceil(PLACES).max(1),
            seen: 0,
        }
    }

    /// Accounts for what was spent since the last call, at new offset `pos`.
    pub fn add(&mut self, pos: u32, counter: &PriceCounter) {
        let ahead = [Section::Header, Section::Map].map(|s| counter.by_section()[s as usize]);
        let now = counter.total() - ahead.iter().sum::<u64>();
        self.spend(pos, now - self.seen);
        self.seen = now;
    }

    /// Accounts for `price` spent at new offset `pos`.
    pub fn spend(&mut self, pos: u32, price: u64) {
        let place = (pos as usize / self.stretch).min(PLACES - 1);
        self.prices[place] += price;
    }
}

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

/// What coding a plan costs.
#[derive(Debug)]
pub struct Pricing {
    /// Payload price in 1/1024 bit.
    pub total: u64,
    /// By section, in 1/1024 bit.
    pub by_section: [u64; Section::COUNT],
    /// Binary decisions.
    pub decisions: u64,
    /// Price by place in the new image, in 1/1024 bit: [`PLACES`] stretches of equal
    /// length. What comes before the ops is not in it.
    pub by_place: Vec<u64>,
    /// Price of each inserted byte in 1/1024 bit, 0 for copied ones; empty unless
    /// asked for.
    pub literals: Vec<u16>,
}

fn run<C: Coder>(
    codec: &mut Codec<'_, '_>,
    coder: &mut C,
    plan: &Plan,
    (old, new): (&[u8], &[u8]),
    mut each: impl FnMut(&C, u32, Step),
) -> Result<(), Error> {
    let mut guide = plan.cursor(new);
    let mut written = Written::nothing_of(new);
    let mut source = old;
    loop {
        let pos = codec.pos();
        use deltamote_format::isa::Code;
        written.reveal(pos);
        let step = codec.step(coder, &mut source, &mut written, &mut guide)?;
        each(coder, pos, step);
        if step == Step::Done {
            return Ok(());
        }
    }
}

/// Words of codec workspace for `profile`.
pub fn workspace(profile: Profile) -> Vec<u16> {
    vec![0; Codec::words(&profile.limits())]
}

pub(crate) fn codec<'w, 'p>(
    words: &'w mut [u16],
    profile: Profile,
    plan: &Plan,
    prior: Option<Prior<'p>>,
) -> Result<Codec<'w, 'p>, Error> {
    let mut header = plan.header.clone();
    header.map_len = plan.count_map();
    Codec::new(words, profile, header, prior)
}

/// Encodes `plan` to a payload.
pub fn encode(
    plan: &Plan,
    images: (&[u8], &[u8]),
    profile: Profile,
    prior: Option<Prior<'_>>,
) -> Result<Vec<u8>, Error> {
    let mut words = workspace(profile);
    let mut codec = codec(&mut words, profile, plan, prior)?;
    let mut coder = Encoder::new(Bytes(Vec::new()));
    run(&mut codec, &mut coder, plan, images, |_, _, _| ())?;
    Ok(coder.finish().0)
}

/// Encodes `plan` to a payload and prices it on the way.
pub fn encode_priced(
    plan: &Plan,
    images: (&[u8], &[u8]),
    profile: Profile,
    prior: Option<Prior<'_>>,
) -> Result<(Vec<u8>, Pricing), Error> {
    let mut words = workspace(profile);
    let mut codec = codec(&mut words, profile, plan, prior)?;
    let mut counter = PriceCounter::default();
    let mut coder = Measuring {
        coder: Encoder::new(Bytes(Vec::new())),
        counter: &mut counter,
    };
    let mut places = Places::new(images.1.len());
    run(&mut codec, &mut coder, plan, images, |coder, pos, _| {
        places.add(pos, coder.counter);
    })?;
    let payload = coder.coder.finish().0;
    let pricing = Pricing {
        total: counter.total(),
        by_section: *counter.by_section(),
        decisions: counter.decisions,
        by_place: places.prices,
        literals: Vec::new(),
    };
    Ok((payload, pricing))
}

/// Goes over `plan` without its mixed models; the codec comes back with what it learned
/// of references.
pub fn sketch<'w, 'p>(
    words: &'w mut [u16],
    plan: &Plan,
    images: (&[u8], &[u8]),
    profile: Profile,
    prior: Option<Prior<'p>>,
) -> Result<Codec<'w, 'p>, Error> {
    let mut codec = codec(words, profile, plan, prior)?;
    run(
        &mut codec,
        &mut Sketch::default(),
        plan,
        images,
        |_, _, _| (),
    )?;
    Ok(codec)
}

/// Prices `plan`; the codec comes back with all that it learned.
pub fn price<'w, 'p>(
    words: &'w mut [u16],
    plan: &Plan,
    images: (&[u8], &[u8]),
    profile: Profile,
    prior: Option<Prior<'p>>,
    literals: bool,
) -> Result<(Pricing, Codec<'w, 'p>), Error> {
    let mut codec = codec(words, profile, plan, prior)?;
    let mut coder = PriceCounter::default();
    let mut prices = vec![0u16; if literals { images.1.len() } else { 0 }];
    let (mut last, mut last_literals) = (0u64, 0u64);
    let mut places = Places::new(images.1.len());
    run(&mut codec, &mut coder, plan, images, |coder, pos, step| {
        places.add(pos, coder);
        let now = coder.by_section()[Section::Literals as usize];
        if let (true, Step::Output { len, .. }) = (literals && now != last_literals, step) {
            let share = (now - last_literals) / u64::from(len);
            let end = pos as usize + usize::from(len);
            prices[pos as usize..end].fill(share.clamp(1, 65535) as u16);
        }
        last_literals = now;
        last = coder.total();
    })?;
    let pricing = Pricing {
        total: last,
        by_section: *coder.by_section(),
        decisions: coder.decisions,
        by_place: places.prices,
        literals: prices,
    };
    Ok((pricing, codec))
}
