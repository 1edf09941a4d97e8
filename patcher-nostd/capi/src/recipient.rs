//! The key that encrypted payloads are for, as C gives it: a callback, or a key pair.

use crate::status::Status;
use crate::types;
#[cfg(feature = "x25519")]
use deltamote_patcher::encryption::X25519Key;
use deltamote_patcher::encryption::{ContentKey, NoContentKey, Recipient};
use deltamote_patcher::format::encryption::{Encryption, KEY_BYTES};
use zeroize::Zeroizing;

/// Who opens payloads.
pub(crate) enum CRecipient {
    /// Nobody: encrypted patches are refused.
    None,
    /// C.
    Callback(types::Recipient),
    /// Software.
    #[cfg(feature = "x25519")]
    Key(X25519Key<'static>),
}

impl CRecipient {
    /// For what carries no payload.
    #[cfg(feature = "key-sets")]
    pub(crate) const NONE: Self = CRecipient::None;

    /// What C gave, or why it cannot be used.
    ///
    /// # Safety
    /// The callback keeps the promise in [`crate::callbacks`]; the keys are null or 32
    /// bytes each that stay until the recipient is no longer used.
    pub(crate) unsafe fn new(given: &types::Recipient) -> Result<Self, Status> {
        match (given.content_key.is_some(), given.secret.is_null()) {
            (false, true) => Ok(CRecipient::None),
            (true, true) => Ok(CRecipient::Callback(*given)),
            // One of them would be left unused: which one was meant?
            (true, false) => Err(Status::InvalidArgument),
            #[cfg(not(feature = "x25519"))]
            (false, false) => Err(Status::EncryptionUnsupported),
            #[cfg(feature = "x25519")]
            (false, false) => {
                // SAFETY: null or 32 bytes, which have alignment 1, for as long as they are
                // used: the caller's promise.
                let keys = unsafe {
                    let secret = given.secret.cast::<[u8; 32]>().as_ref();
                    secret.zip(given.public_key.cast::<[u8; 32]>().as_ref())
                };
                let (secret, public) = keys.ok_or(Status::InvalidArgument)?;
                Ok(CRecipient::Key(X25519Key { secret, public }))
            }
        }
    }
}

impl Recipient for CRecipient {
    fn content_key(&self, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        match self {
            CRecipient::None => Err(NoContentKey::OtherRecipient),
            CRecipient::Callback(given) => ask(given, encryption),
            #[cfg(feature = "x25519")]
            CRecipient::Key(key) => key.content_key(encryption),
        }
    }
}

/// Asks the callback.
fn ask(given: &types::Recipient, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
    let content_key = given.content_key.ok_or(NoContentKey::OtherRecipient)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    // SAFETY: the callback's promise; key id and encapsulated key stay and do not change,
    // and `key`, of the size that the header says, is ours alone during the call.
    let code = unsafe {
        content_key(
            given.context,
            encryption.recipient.as_ptr(),
            encryption.encapsulated.as_ptr(),
            key.as_mut_ptr(),
        )
    };
    match code {
        types::DELTAMOTE_CONTENT_KEY_OK => Ok(ContentKey::new(*key)),
        types::DELTAMOTE_OTHER_RECIPIENT => Err(NoContentKey::OtherRecipient),
        _ => Err(NoContentKey::Unusable),
    }
}
