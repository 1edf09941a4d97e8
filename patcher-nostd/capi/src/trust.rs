//! Whose patches are believed and whose secrets open them, as C says it: a verifier
//! callback, plain keys or a key set; a callback for content keys or an X25519 key.
//!
//! Callbacks rest on the promise in [`crate::callbacks`]; keys and key set stay where they
//! are until `deltamote_close`.

use crate::status::Status;
use crate::types::{self, Config};
use core::ptr;
use deltamote_patcher::format::envelope::Signer;
use deltamote_patcher::{Distrust, Verifier};
#[cfg(feature = "key-sets")]
use deltamote_patcher::{KeySetKeys, format::key_set::KeySet};

/// Where trust comes from.
#[derive(Clone, Copy)]
enum Source {
    Callback(types::Verifier),
    Keys(&'static [[u8; 32]]),
    /// Read anew for each signature: the parsed form would take more room than the pointer.
    #[cfg(feature = "key-sets")]
    KeySet {
        set: &'static [u8],
        test_device: bool,
    },
}

/// What C gave to check signatures and to open payloads with.
pub(crate) struct CVerifier {
    source: Source,
    needs_second: bool,
    #[cfg(feature = "encryption")]
    recipient: crate::recipient::CRecipient,
}

/// Keys of 32 bytes, one behind the other; `None`: they cannot be read.
///
/// # Safety
/// `keys` is null or points to `count` keys that stay until they are no longer used.
unsafe fn read_keys(keys: *const u8, count: usize) -> Option<&'static [[u8; 32]]> {
    match (keys.is_null(), count) {
        (_, 0) => Some(&[]),
        (false, 1..=types::MAX_KEYS) => {
            // SAFETY: not null; arrays of bytes have alignment 1; the caller promises that
            // many for as long as they are used.
            Some(unsafe { core::slice::from_raw_parts(keys.cast(), count) })
        }
        _ => None,
    }
}

impl Source {
    /// The callback, or else the keys.
    ///
    /// # Safety
    /// The callback keeps its promise; `keys` as in [`read_keys`].
    unsafe fn plain(callback: &types::Verifier, keys: *const u8, count: usize) -> Option<Self> {
        // SAFETY: the caller's promise.
        let keys = unsafe { read_keys(keys, count) }?;
        Some(match callback.verify {
            Some(_) => Source::Callback(*callback),
            None => Source::Keys(keys),
        })
    }

    /// The key set, if it can be read.
    ///
    /// # Safety
    /// `config.key_set` points to `config.key_set_len` bytes that stay and do not change
    /// until they are no longer used.
    #[cfg(feature = "key-sets")]
    unsafe fn key_set(config: &Config) -> Result<Self, Status> {
        let len = config.key_set_len;
        let alone = config.verifier.verify.is_none() && config.key_count == 0;
        if !alone || config.key_set.is_null() || len > types::MAX_KEY_SET {
            return Err(Status::InvalidArgument);
        }
        // SAFETY: not null, not too long; the rest is the caller's promise.
        let set = unsafe { core::slice::from_raw_parts(config.key_set, len) };
        KeySet::parse(set).map_err(|_| Status::InvalidArgument)?;
        Ok(Source::KeySet {
            set,
            test_device: config.flags & types::DELTAMOTE_TEST_DEVICE != 0,
        })
    }

    #[cfg(not(feature = "key-sets"))]
    unsafe fn key_set(_: &Config) -> Result<Self, Status> {
        Err(Status::KeySetUnsupported)
    }

    /// Whether any signature can be believed.
    fn can_verify(&self) -> bool {
        match self {
            Source::Keys(keys) => cfg!(feature = "ed25519") && !keys.is_empty(),
            _ => true,
        }
    }
}

impl CVerifier {
    /// What `config` says, or why it cannot be used.
    ///
    /// # Safety
    /// Callbacks, keys and key set of `config` keep what the header asks until the verifier
    /// is no longer used.
    pub(crate) unsafe fn new(config: &Config) -> Result<Self, Status> {
        let source = if config.key_set.is_null() && config.key_set_len == 0 {
            // SAFETY: the caller's promise.
            unsafe { Source::plain(&config.verifier, config.keys, config.key_count) }
                .ok_or(Status::InvalidArgument)?
        } else {
            // SAFETY: the caller's promise.
            unsafe { Source::key_set(config) }?
        };
        #[cfg(feature = "encryption")]
        // SAFETY: the caller's promise.
        let recipient = unsafe { crate::recipient::CRecipient::new(&config.recipient) }?;
        #[cfg(not(feature = "encryption"))]
        if config.recipient.content_key.is_some() || !config.recipient.secret.is_null() {
            return Err(Status::EncryptionUnsupported);
        }
        if !source.can_verify() && config.flags & types::DELTAMOTE_ALLOW_UNSIGNED == 0 {
            return Err(Status::NoVerifier);
        }
        Ok(CVerifier {
            source,
            needs_second: config.flags & types::DELTAMOTE_NEEDS_TWO_SIGNATURES != 0,
            #[cfg(feature = "encryption")]
            recipient,
        })
    }

    /// The root that signs key sets, or why it cannot be used.
    ///
    /// # Safety
    /// Callback and keys of `root` keep what the header asks until the verifier is no
    /// longer used.
    #[cfg(feature = "key-sets")]
    pub(crate) unsafe fn root(root: &types::Root) -> Result<Self, Status> {
        // SAFETY: the caller's promise.
        let source = unsafe { Source::plain(&root.verifier, root.keys, root.key_count) };
        let source = source.ok_or(Status::InvalidArgument)?;
        if !source.can_verify() {
            return Err(Status::NoVerifier);
        }
        Ok(CVerifier {
            source,
            needs_second: root.flags & types::DELTAMOTE_NEEDS_TWO_SIGNATURES != 0,
            #[cfg(feature = "encryption")]
            recipient: crate::recipient::CRecipient::NONE,
        })
    }

    fn check(&self, second: bool, s: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        match self.source {
            Source::Callback(callback) => ask(&callback, second, s, m, signature),
            #[cfg(feature = "ed25519")]
            Source::Keys(keys) if !second => {
                deltamote_patcher::Ed25519Keys(keys).verify(s, m, signature)
            }
            #[cfg(feature = "key-sets")]
            Source::KeySet { set, test_device } => {
                let keys = KeySetKeys {
                    // It could be read at init.
                    set: KeySet::parse(set).map_err(|_| Distrust::UnknownKey)?,
                    test_device,
                    both: self.needs_second,
                };
                match second {
                    false => keys.verify(s, m, signature),
                    true => keys.verify_second(s, m, signature),
                }
            }
            Source::Keys(_) => Err(Distrust::UnknownKey),
        }
    }
}

/// Asks the callback.
fn ask(
    callback: &types::Verifier,
    second: bool,
    signer: &Signer,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Distrust> {
    let verify = callback.verify.ok_or(Distrust::UnknownKey)?;
    let kid: *const u8 = ptr::from_ref(&signer.kid).cast();
    // SAFETY: the callback's promise; key id, message and signature stay and do not change
    // during the call.
    let code = unsafe {
        verify(
            callback.context,
            second.into(),
            signer.algorithm.0,
            kid,
            message.as_ptr(),
            message.len(),
            signature.as_ptr(),
            signature.len(),
        )
    };
    match code {
        types::DELTAMOTE_TRUSTED => Ok(()),
        types::DELTAMOTE_NO_SUCH_KEY => Err(Distrust::UnknownKey),
        types::DELTAMOTE_REVOKED_KEY => Err(Distrust::Revoked),
        types::DELTAMOTE_NOT_ENTITLED_KEY => Err(Distrust::NotEntitled),
        _ => Err(Distrust::BadSignature),
    }
}

impl Verifier for CVerifier {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.check(false, signer, message, signature)
    }

    fn verify_second(&self, signer: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.check(true, signer, m, signature)
    }

    fn needs_second(&self) -> bool {
        self.needs_second
    }

    #[cfg(feature = "encryption")]
    fn content_key(
        &self,
        encryption: &deltamote_patcher::format::encryption::Encryption<'_>,
    ) -> Result<
        deltamote_patcher::encryption::ContentKey,
        deltamote_patcher::encryption::NoContentKey,
    > {
        use deltamote_patcher::encryption::Recipient as _;
        self.recipient.content_key(encryption)
    }
}
