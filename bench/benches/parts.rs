//! The inner parts one by one, on the built-in pair: each states bytes per second.
//!
//! Bytes are those that a part reads: both images for matching, one for a scan, the new
//! image for the models and for applying, the coded bytes for the range coder.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use deltamote_engine::image::Image;
use deltamote_engine::parts::{
    Candidates, Effort, References, Shape, Shapes, approximate, normalised,
};
use deltamote_engine::planner::{self, Settings};
use deltamote_engine::{DiffOptions, Level, NoProgress, Trust, embedded, encode, prior};
use deltamote_format::Profile;
use deltamote_format::coder::{Coder, Decoder, Encoder, Input, Sink};
use sha2::{Digest, Sha256};

const PROFILE: Profile = Profile::Small;
const OLD: &[u8] = embedded::OLD;
const NEW: &[u8] = embedded::NEW;

fn image(bytes: &[u8]) -> Image {
    Image::from_bytes(bytes.to_vec()).expect("the built-in image")
}

fn settings(level: Level) -> Settings<'static> {
    Settings {
        profile: PROFILE,
        level,
        isa: None,
        base: None,
        prior: prior::for_profile(prior::BUILT_IN, PROFILE),
    }
}

/// Matching and the scan for references.
fn search(c: &mut Criterion) {
    let planned = planner::plan(
        &image(OLD),
        &image(NEW),
        &settings(Level::Fast),
        &NoProgress,
    );
    let header = planned.expect("a plan").plan.header;
    let mut group = c.benchmark_group("search");
    group.throughput(Throughput::Bytes(NEW.len() as u64));
    group.bench_function("reference scan", |b| {
        b.iter(|| References::scan(black_box(NEW), &header, true))
    });
    let references = References::scan(NEW, &header, true);
    group.bench_function("blanking of references", |b| {
        b.iter(|| normalised(black_box(NEW), &references, &header))
    });
    group.throughput(Throughput::Bytes((OLD.len() + NEW.len()) as u64));
    let effort = Effort {
        neighbours: 4,
        least_plain: 5,
        least_blank: 8,
        skip_from: 128,
    };
    group.bench_function("matching, suffix array", |b| {
        b.iter(|| Candidates::find((black_box(OLD), NEW), None, &effort))
    });
    let shapes = Shapes {
        list: &[Shape::NIBBLES, Shape::HALFWORDS],
        long: true,
    };
    group.bench_function("matching, approximate", |b| {
        b.iter(|| approximate((black_box(OLD), NEW), shapes))
    });
    group.finish();
}

/// The models: pricing (no bytes are written) and coding of the whole payload.
fn models(c: &mut Criterion) {
    let planned = planner::plan(
        &image(OLD),
        &image(NEW),
        &settings(Level::Fast),
        &NoProgress,
    );
    let plan = planned.expect("a plan").plan;
    let prior = prior::for_profile(prior::BUILT_IN, PROFILE);
    let mut group = c.benchmark_group("models");
    group.throughput(Throughput::Bytes(NEW.len() as u64));
    group.bench_function("price", |b| {
        let mut words = encode::workspace(PROFILE);
        b.iter(|| {
            let priced = encode::price(&mut words, &plan, (OLD, NEW), PROFILE, prior, false);
            priced.map(|(pricing, _)| pricing.total).expect("a price")
        })
    });
    group.bench_function("encode", |b| {
        b.iter(|| encode::encode(&plan, (OLD, NEW), PROFILE, prior).expect("a payload"))
    });
    group.finish();
}

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

/// Decisions of mixed probability: chance and its odds, the same in every run.
fn decisions() -> Vec<(bool, u32)> {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) as u32
    };
    (0..1 << 20)
        .map(|_| {
            let p = (next() | 1).clamp(64, 65535 - 64);
            (next() < p, p)
        })
        .collect()
}

/// The range coder alone.
fn coder(c: &mut Criterion) {
    let decisions = decisions();
    let encoded = || {
        let mut encoder = Encoder::new(Bytes(Vec::new()));
        for &(bit, p) in &decisions {
            encoder.bit(bit, p);
        }
        encoder.finish().0
    };
    let bytes = encoded();
    let mut group = c.benchmark_group("range coder");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |b| b.iter(encoded));
    group.bench_function("decode", |b| {
        b.iter(|| {
            let mut decoder = Decoder::default();
            let mut input = Input {
                bytes: black_box(&bytes),
                last: true,
                used: 0,
            };
            let mut reader = decoder.with(&mut input);
            let right = decisions
                .iter()
                .filter(|&&(bit, p)| reader.bit(false, p) == bit);
            assert_eq!(right.count(), decisions.len(), "what was coded comes back");
        })
    });
    group.finish();
}

/// What a device does besides: the digest, and the whole update.
fn device(c: &mut Criterion) {
    let options = DiffOptions {
        profile: PROFILE,
        ..DiffOptions::default()
    };
    let patch = deltamote_engine::diff(&image(OLD), &image(NEW), &options, None, &NoProgress);
    let patch = patch.expect("a patch").bytes;
    let mut group = c.benchmark_group("device code on this host");
    group.throughput(Throughput::Bytes(NEW.len() as u64));
    group.bench_function("SHA-256", |b| b.iter(|| Sha256::digest(black_box(NEW))));
    group.bench_function("apply", |b| {
        b.iter(|| {
            let new = deltamote_engine::apply(OLD, &patch, &Trust::AllowUnsigned, &NoProgress);
            assert_eq!(new.expect("an update").len(), NEW.len());
        })
    });
    group.finish();
}

/// Making a patch, all of it.
fn diff(c: &mut Criterion) {
    let (old, new) = (image(OLD), image(NEW));
    let mut group = c.benchmark_group("diff");
    group.throughput(Throughput::Bytes(NEW.len() as u64));
    for (name, level) in [("fast", Level::Fast), ("default", Level::Default)] {
        let options = DiffOptions {
            level,
            jobs: Some(1),
            ..DiffOptions::default()
        };
        group.bench_function(name, |b| {
            b.iter(|| {
                deltamote_engine::diff(&old, &new, &options, None, &NoProgress).expect("a patch")
            })
        });
    }
    group.finish();
}

criterion_group! {
    name = parts;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = search, models, coder, device, diff
}
criterion_main!(parts);
