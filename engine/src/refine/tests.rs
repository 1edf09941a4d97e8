use super::trial::Setting;
use super::*;
use deltamote_format::codec::{Header, Position};
use deltamote_format::isa::Isa;

/// Two images with moved, replaced and inserted parts, and a clumsy plan for them.
fn clumsy() -> (Vec<u8>, Vec<u8>, Plan) {
    let mut seed = 7u32;
    let mut byte = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    let old: Vec<u8> = (0..600).map(|_| byte()).collect();
    let parts: [(usize, usize); 5] = [(300, 380), (0, 100), (104, 200), (200, 290), (400, 480)];
    let mut new = Vec::new();
    let mut segments = Vec::new();
    for (k, (start, end)) in parts.into_iter().enumerate() {
        // A copy that begins late and ends early, and one cut in two.
        segments.push(Segment {
            new: new.len() as u32 + 3,
            source: Position::Old(start as u32 + 3),
            len: 40,
            mapped: k % 2 == 0,
        });
        segments.push(Segment {
            new: new.len() as u32 + 43,
            source: Position::Old(start as u32 + 43),
            len: (end - start) as u32 - 48,
            mapped: k == 3,
        });
        new.extend_from_slice(&old[start..end]);
        new.extend((0..2 * k).map(|_| byte()));
    }
    let header = Header::new(old.len() as u32, new.len() as u32, Isa::None);
    (old, new, Plan { header, segments })
}

#[test]
fn a_trial_that_reaches_the_end_says_what_the_whole_plan_says() {
    let (old, new, plan) = clumsy();
    let setting = Setting {
        old: &old,
        new: &new,
        profile: Profile::Tiny,
        prior: None,
    };
    let marked = setting.mark(&plan).expect("priced");
    let subject = Subject {
        old: &old,
        new: &new,
        segments: &plan.segments,
    };
    let count = plan.segments.len();
    let edits = subject.edits(&vec![true; count]);
    // Another map may change prices before the place, too.
    let same_map = |e: &&Edit| !e.moves_map(&plan.segments);
    let ending = edits
        .iter()
        .filter(|e| e.last + 2 >= count)
        .filter(same_map);
    let gains = setting.gains(&marked, ending.cloned().collect());
    let gains = gains.expect("tried");
    assert!(gains.len() >= 2, "{} edits gain", gains.len());
    for gain in gains {
        let whole = setting.price(&edited(&plan, &[&gain.edit]).0);
        let saved = marked.total as i64 - whole.expect("priced") as i64;
        assert_eq!(gain.saves, saved, "{:?}", gain.edit);
    }
}

#[test]
fn a_clumsy_plan_gets_cheaper_and_still_makes_the_new_image() {
    let (old, new, plan) = clumsy();
    let images = (&old[..], &new[..]);
    let patience = Patience {
        passes: 8,
        trials: usize::MAX,
        at_once: usize::MAX,
    };
    let refined = refine(&plan, images, Profile::Tiny, None, patience);
    let refined = refined.expect("tried").expect("something gains");
    let bytes = |plan: &Plan| crate::encode::encode(plan, images, Profile::Tiny, None);
    let (before, after) = (
        bytes(&plan).expect("coded"),
        bytes(&refined).expect("coded"),
    );
    assert!(
        after.len() + 30 < before.len(),
        "{} of {}",
        after.len(),
        before.len()
    );
    for pair in refined.segments.windows(2) {
        assert!(pair[0].end() <= pair[1].new, "{pair:?}");
    }
}
