//! The whole way from two images to a proved patch.

use crate::codecs::{self, CodecChoice};
use crate::encrypt::{self, EncryptTo};
use crate::image::Image;
use crate::inspect::{self, Inspection};
use crate::keys::Sign;
use crate::planner::{self, Settings};
use crate::ram::{self, Work};
use crate::seal::{Contents, seal};
use crate::{Error, ErrorClass, Level, Progress, Trust, prior, prove};
use deltamote_format::Profile;
use deltamote_format::isa::Isa;
use deltamote_format::manifest::UpdateClass;
use deltamote_format::model::Prior;

/// For whom and for what a patch is; all of it is signed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// Monotonic number; devices refuse what is below their floor.
    pub sequence: u64,
    /// Vendor UUID; `None`: any device.
    pub vendor: Option<[u8; 16]>,
    /// Device class UUID; `None`: any device.
    pub class: Option<[u8; 16]>,
    /// Whether it mends security or brings features.
    pub update_class: Option<UpdateClass>,
    /// Ids of the advisories that it answers.
    pub advisories: Vec<String>,
    /// SHA-256 of the old image's bill of materials: [`crate::sbom::Sbom::digest`].
    pub sbom_old: Option<[u8; 32]>,
    /// SHA-256 of the new image's bill of materials.
    pub sbom_new: Option<[u8; 32]>,
}

/// What shapes a patch.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// Memory of the smallest device that must be able to apply it.
    pub profile: Profile,
    /// Instruction set; `None`: found from the images.
    pub isa: Option<Isa>,
    /// How hard to try.
    pub level: Level,
    /// Threads; `None`: one per core. The patch is the same for any number.
    pub jobs: Option<usize>,
    /// Load address; `None`: found from the images.
    pub base: Option<u32>,
    /// Trained initial states that the device has; the one for `profile` is used if it
    /// is there, and blank models otherwise.
    pub priors: &'static [Prior<'static>],
    /// For whom it is.
    pub identity: Identity,
    /// How the payload codec is chosen.
    pub codec: CodecChoice,
    /// Who alone can read the payload; `None`: anyone.
    pub encrypt_to: Option<EncryptTo>,
}

impl Default for DiffOptions {
    fn default() -> Self {
        DiffOptions {
            profile: Profile::Small,
            isa: None,
            level: Level::Default,
            jobs: None,
            base: None,
            priors: prior::BUILT_IN,
            identity: Identity::default(),
            codec: CodecChoice::default(),
            encrypt_to: None,
        }
    }
}

/// A patch that the patcher has applied.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The patch file.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub summary: Inspection,
}

/// Makes the patch from `old` to `new`, signed with `key` if there is one, and applies
/// it with the real patcher before returning it.
///
/// # Errors
/// [`ErrorClass::Usage`] for images the profile cannot hold and
/// options that cannot be met; [`ErrorClass::Failed`] if the patch does not prove.
pub fn diff(
    old: &Image,
    new: &Image,
    options: &DiffOptions,
    key: Option<&dyn Sign>,
    progress: &dyn Progress,
) -> Result<Patch, Error> {
    check_size("old", old, options.profile)?;
    check_size("new", new, options.profile)?;
    check_encryption(options)?;
    codecs::check(options.codec, options.profile)?;
    let run = || diff_here(old, new, options, key, progress);
    match options.jobs {
        None => run(),
        Some(jobs) => rayon::ThreadPoolBuilder::new()
            .num_threads(jobs)
            .build()
            .map_err(|e| Error::new(ErrorClass::Failed, format!("{jobs} threads: {e}")))?
            .install(run),
    }
}

/// The memory of the smallest devices is spoken for to the last bytes
/// (`patcher-nostd/demo/README.md`).
fn check_encryption(options: &DiffOptions) -> Result<(), Error> {
    if options.encrypt_to.is_none() || options.profile != Profile::Tiny {
        return Ok(());
    }
    let needed = ram::in_all(Profile::Tiny, Work::ContentKey);
    let budget = ram::budget(Profile::Tiny);
    let message = format!(
        "profile tiny has no RAM for encryption: with the key taken out in software (HPKE, \
         X25519) an update takes about {needed} bytes in all (workspace, and stack \
         measured on a Cortex-M4) of {budget}; make the patch for profile small, or leave --encrypt-to out"
    );
    Err(Error::new(ErrorClass::Usage, message))
}

fn check_size(which: &str, image: &Image, profile: Profile) -> Result<(), Error> {
    let len = image.bytes().len();
    if len == 0 {
        let message = format!("the {which} image is empty; give a firmware image");
        return Err(Error::new(ErrorClass::Usage, message));
    }
    let most = profile.max_image();
    if len > most as usize {
        let name = profile.name();
        let message = format!(
            "the {which} image has {len} bytes; profile {name} addresses up to {most}, \
             profile large up to {}",
            Profile::Large.max_image()
        );
        return Err(Error::new(ErrorClass::Usage, message));
    }
    Ok(())
}

fn diff_here(
    old: &Image,
    new: &Image,
    options: &DiffOptions,
    key: Option<&dyn Sign>,
    progress: &dyn Progress,
) -> Result<Patch, Error> {
    let prior = prior::for_profile(options.priors, options.profile);
    let settings = Settings {
        profile: options.profile,
        level: options.level,
        isa: options.isa,
        base: options.base,
        prior,
    };
    let mut planned = planner::plan(old, new, &settings, progress)?;
    progress.phase("encode", 1);
    let images = (old.bytes(), new.bytes());
    let coded = codecs::choose(
        &mut planned,
        images,
        (options.profile, prior),
        (options.codec, options.level),
    )?;
    let encrypted = match &options.encrypt_to {
        Some(to) => {
            let chunk_size = options.profile.limits().chunk_bytes as u32;
            Some(encrypt::encrypt(&coded.payload, chunk_size, to)?)
        }
        None => None,
    };
    let contents = Contents {
        old: old.bytes(),
        new: new.bytes(),
        payload: &coded.payload,
        codec: coded.codec,
        header: &planned.plan.header,
        profile: options.profile,
        prior: prior.as_ref(),
        identity: &options.identity,
        encrypted: encrypted.as_ref(),
    };
    let bytes = seal(&contents, key)?;
    progress.phase("prove", 1);
    prove::prove(
        images,
        &bytes,
        &key.map_or(Trust::AllowUnsigned, Trust::of_signer),
        options.priors,
        encrypted.as_ref(),
    )?;
    progress.advance(1);
    let summary = inspect::of_new(&bytes, &coded, &planned.pricing)?;
    Ok(Patch { bytes, summary })
}
