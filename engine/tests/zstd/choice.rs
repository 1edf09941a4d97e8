//! Which codec a patch is made with, and that all that is done with patches takes both.

use crate::firmware;
use deltamote_engine::image::Image;
use deltamote_engine::provenance::{self, Inputs};
use deltamote_engine::simulate::{Cuts, SimulateOptions, simulate};
use deltamote_engine::{
    CodecChoice, DiffOptions, ErrorClass, Level, NoProgress, Patch, Profile, Trust, apply, diff,
    embedded, inspect, inspect_with_old, verify,
};
use deltamote_sim::{PRESETS, Start};

fn options(codec: CodecChoice) -> DiffOptions {
    DiffOptions {
        profile: Profile::Large,
        level: Level::Fast,
        codec,
        ..DiffOptions::default()
    }
}

fn image(bytes: &[u8]) -> Image {
    Image::from_bytes(bytes.to_vec()).expect("raw bytes")
}

fn made(codec: CodecChoice) -> Patch {
    let (old, new) = (image(embedded::OLD), image(embedded::NEW));
    diff(&old, &new, &options(codec), None, &NoProgress).expect("a patch")
}

#[test]
fn size_and_speed_decide() {
    let (zstd, ours) = (made(CodecChoice::Zstd), made(CodecChoice::Deltamote));
    assert_eq!(
        (&*zstd.summary.codec, &*ours.summary.codec),
        ("zstd", "deltamote")
    );
    let auto = |decode_speed| made(CodecChoice::Auto { decode_speed }).bytes;
    let (smaller, other) = match zstd.bytes.len() < ours.bytes.len() {
        true => (&zstd.bytes, &ours.bytes),
        false => (&ours.bytes, &zstd.bytes),
    };
    assert!(auto(None) == *smaller && *smaller != *other);
    let speed = |patch: &Patch| patch.summary.decode_mb_per_s.expect("known");
    assert!(speed(&zstd) > speed(&ours));
    let least = speed(&ours) as u32 + 1;
    assert!(f64::from(least) < speed(&zstd));
    assert!(auto(Some(least)) == zstd.bytes);
    assert!(auto(Some(u32::MAX)) == zstd.bytes);
    assert!(auto(Some(0)) == *smaller);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let (old, new) = (image(embedded::OLD), image(embedded::NEW));
    let patch = |jobs| {
        let options = DiffOptions {
            jobs: Some(jobs),
            ..options(CodecChoice::Zstd)
        };
        diff(&old, &new, &options, None, &NoProgress).unwrap().bytes
    };
    assert!(patch(1) == patch(3));
}

#[test]
fn the_commands_take_it() {
    let patch = made(CodecChoice::Zstd);
    let trust = Trust::AllowUnsigned;
    let new = apply(embedded::OLD, &patch.bytes, &trust, &NoProgress).unwrap();
    assert!(new == embedded::NEW);
    let seen = verify(embedded::OLD, &patch.bytes, &trust).unwrap();
    let alone = inspect(&patch.bytes).unwrap();
    let with_old = inspect_with_old(&patch.bytes, embedded::OLD).unwrap();
    for inspection in [&seen, &alone, &with_old, &patch.summary] {
        assert_eq!(inspection.codec, "zstd");
        let sum: f64 = inspection.breakdown.values().sum();
        assert_eq!(sum, inspection.payload_bytes as f64, "{inspection:?}");
        let places: f64 = inspection.places.iter().map(|p| p.bytes).sum();
        assert!(places > 0.0 && places < sum);
        assert_eq!(inspection.decode_mb_per_s, patch.summary.decode_mb_per_s);
    }
    let error = apply(embedded::NEW, &patch.bytes, &trust, &NoProgress).unwrap_err();
    assert_eq!(error.class(), ErrorClass::WrongBase);
    let pair = firmware(9000, 12);
    let simulated = simulate(
        &pair.old,
        &pair.patch(),
        &trust,
        None,
        &SimulateOptions {
            flash: PRESETS[0],
            cuts: Cuts::Random(20),
            start: Start::Clean,
            staged: false,
            seek: true,
            piece_bytes: 100,
            seed: 3,
        },
        &NoProgress,
    );
    let simulated = simulated.unwrap();
    assert_eq!((simulated.failures, simulated.runs), (0, 21));
    assert!(simulated.resume_interval_bytes <= 8192, "{simulated:?}");
}

#[test]
fn smaller_profiles_have_no_choice() {
    let pair = firmware(3000, 0);
    for codec in [
        CodecChoice::Zstd,
        CodecChoice::Auto {
            decode_speed: Some(1),
        },
    ] {
        let options = DiffOptions {
            profile: Profile::Medium,
            ..options(codec)
        };
        let (old, new) = (image(&pair.old), image(&pair.new));
        let error = diff(&old, &new, &options, None, &NoProgress).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage, "{error}");
    }
    for (name, speed) in [("zstd", Some(3)), ("lzma", None), ("", None)] {
        let error = CodecChoice::named(name, speed).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage, "{error}");
    }
}

#[test]
fn a_provenance_has_the_choice_and_the_library() {
    let choices = [
        CodecChoice::Zstd,
        CodecChoice::Deltamote,
        CodecChoice::Auto { decode_speed: None },
        CodecChoice::Auto {
            decode_speed: Some(25),
        },
    ];
    let patch = made(CodecChoice::Zstd);
    let inputs = Inputs {
        old: [1; 32],
        new: [2; 32],
    };
    for codec in choices {
        let stated = provenance::state(("p", &patch), &options(codec), Vec::new(), &inputs);
        let json = stated.to_json().unwrap();
        let recipe = provenance::Statement::parse(&json)
            .unwrap()
            .recipe()
            .unwrap();
        assert_eq!(recipe.options.codec, codec);
        assert_eq!(recipe.zstd_version, deltamote_zstd::library_version());
        recipe.check_patch(&patch.bytes).unwrap();
        let other = json.replace(
            &format!("\"zstd\": \"{}\"", recipe.zstd_version),
            "\"zstd\": \"0.9.0\"",
        );
        assert!(other != json);
        let recipe = provenance::Statement::parse(&other)
            .unwrap()
            .recipe()
            .unwrap();
        let why = recipe.check_patch(b"other").unwrap_err().to_string();
        assert!(why.contains("made with zstd 0.9.0"), "{why}");
    }
}
