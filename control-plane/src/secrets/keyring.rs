//! The master keys, and what is encrypted with them.

use std::{fmt, fs, path::Path};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest::{SHA256, digest},
    error::Unspecified,
    rand,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of the hash of a master key that are its id.
const ID_BYTES: usize = 8;
/// What is hashed before a master key, so that its id is the hash of nothing else.
const ID_CONTEXT: &[u8] = b"gatewright master key ";
/// What stands before the path of a file with a key.
const FILE: &str = "file:";

/// Master keys: the first encrypts, all decrypt. Without any, nothing can be encrypted.
#[derive(Default)]
pub struct Keyring {
    keys: Vec<MasterKey>,
}

struct MasterKey {
    id: String,
    key: RandomizedNonceKey,
}

/// A text, encrypted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Id of the master key.
    key: String,
    /// The data key, encrypted with the master key: nonce, text, tag; in base64.
    data_key: String,
    /// The text, encrypted with the data key, in the same form.
    text: String,
}

/// Why a text could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no master key.
    #[error("there is no master key to encrypt it with: set GATEWRIGHT_MASTER_KEY")]
    NoMasterKey,
    /// It is encrypted with a master key that is not there.
    #[error(
        "it is encrypted with the master key `{key}`, which GATEWRIGHT_MASTER_KEY does not have ({known})"
    )]
    UnknownKey {
        /// Id of the key.
        key: String,
        /// The ids of the keys that are there.
        known: String,
    },
    /// It was changed, or belongs to another resource.
    #[error("it was not encrypted for this resource with the master key `{0}`, or it was changed")]
    Forged(String),
    /// Not what is written here.
    #[error("it is not in the form of an encrypted value")]
    Malformed,
    /// The cryptographic library failed.
    #[error("it could not be encrypted")]
    Failed,
}

/// A master key that cannot be used. Says nothing of the key.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMasterKey {
    /// Not 32 bytes in base64.
    #[error(
        "GATEWRIGHT_MASTER_KEY: key {0} is not 32 bytes in base64; `head -c 32 /dev/urandom | base64` makes one"
    )]
    Form(usize),
    /// The file cannot be read.
    #[error("GATEWRIGHT_MASTER_KEY: key {0}: `{1}` cannot be read")]
    File(usize, String, #[source] std::io::Error),
    /// The same key twice.
    #[error("GATEWRIGHT_MASTER_KEY: the key `{0}` is there twice")]
    Twice(String),
}

/// A new master key, in base64.
///
/// # Errors
/// The random generator of the system failed.
pub fn generate() -> Result<Zeroizing<String>, SealError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    rand::fill(&mut *bytes).map_err(failed)?;
    Ok(Zeroizing::new(BASE64.encode(*bytes)))
}

impl Keyring {
    /// Reads keys that are separated by commas or spaces: 32 bytes in base64, or `file:PATH` with such keys in it.
    ///
    /// # Errors
    /// A key that is none; a file that cannot be read.
    pub fn parse(setting: &str) -> Result<Self, InvalidMasterKey> {
        let mut ring = Self::default();
        for (place, item) in items(setting).enumerate() {
            match item.strip_prefix(FILE) {
                None => ring.add(place + 1, item)?,
                Some(path) => {
                    let unreadable =
                        |error| InvalidMasterKey::File(place + 1, path.to_owned(), error);
                    let text = fs::read_to_string(Path::new(path)).map_err(unreadable)?;
                    let text = Zeroizing::new(text);
                    for item in items(&text) {
                        ring.add(place + 1, item)?;
                    }
                }
            }
        }
        Ok(ring)
    }

    fn add(&mut self, place: usize, text: &str) -> Result<(), InvalidMasterKey> {
        let form = || InvalidMasterKey::Form(place);
        let bytes = Zeroizing::new(BASE64.decode(text).map_err(|_| form())?);
        if bytes.len() != KEY_BYTES {
            return Err(form());
        }
        let hash = digest(&SHA256, &[ID_CONTEXT, &bytes[..]].concat());
        let id: String = hash.as_ref()[..ID_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if self.keys.iter().any(|key| key.id == id) {
            return Err(InvalidMasterKey::Twice(id));
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| form())?;
        self.keys.push(MasterKey { id, key });
        Ok(())
    }

    /// Id of the key that encrypts; none where there is none.
    pub fn current(&self) -> Option<&str> {
        self.keys.first().map(|key| &*key.id)
    }

    /// The ids of all keys.
    pub fn ids(&self) -> Vec<&str> {
        self.keys.iter().map(|key| &*key.id).collect()
    }

    /// Encrypts a text for what `belongs_to` says: only for that it can be decrypted.
    ///
    /// # Errors
    /// There is no master key.
    pub fn seal(&self, belongs_to: &str, text: &str) -> Result<Sealed, SealError> {
        let master = self.keys.first().ok_or(SealError::NoMasterKey)?;
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut *data_key).map_err(failed)?;
        let of_value = RandomizedNonceKey::new(&AES_256_GCM, &*data_key).map_err(failed)?;
        Ok(Sealed {
            key: master.id.clone(),
            data_key: encrypt(&master.key, &aad("data key", belongs_to), &*data_key)?,
            text: encrypt(&of_value, &aad("text", belongs_to), text.as_bytes())?,
        })
    }

    /// Decrypts a text.
    ///
    /// # Errors
    /// Another master key, another resource, or a change.
    pub fn open(&self, belongs_to: &str, sealed: &Sealed) -> Result<Zeroizing<String>, SealError> {
        let master = self.keys.iter().find(|key| key.id == sealed.key);
        let master = master.ok_or_else(|| self.unknown(&sealed.key))?;
        let forged = || SealError::Forged(sealed.key.clone());
        let data_key = decrypt(&master.key, &aad("data key", belongs_to), &sealed.data_key);
        let data_key = data_key?.ok_or_else(forged)?;
        let of_value = RandomizedNonceKey::new(&AES_256_GCM, &data_key).map_err(|_| forged())?;
        let text = decrypt(&of_value, &aad("text", belongs_to), &sealed.text)?;
        let text = text.ok_or_else(forged)?;
        let text = str::from_utf8(&text).map_err(|_| SealError::Malformed)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// That a key is not there.
    pub fn unknown(&self, id: &str) -> SealError {
        let known = match self.keys.as_slice() {
            [] => "it is not set".to_owned(),
            keys => {
                let ids: Vec<&str> = keys.iter().map(|key| &*key.id).collect();
                format!("it has `{}`", ids.join("`, `"))
            }
        };
        SealError::UnknownKey {
            key: id.to_owned(),
            known,
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.ids()).finish()
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    let items = text.split([',', ' ', '\n', '\r', '\t']);
    items.filter(|item| !item.is_empty())
}

fn aad(what: &str, belongs_to: &str) -> String {
    format!("gatewright {what} {belongs_to}")
}

fn failed(_: Unspecified) -> SealError {
    SealError::Failed
}

/// Nonce, encrypted text and tag, in base64.
fn encrypt(key: &RandomizedNonceKey, aad: &str, plain: &[u8]) -> Result<String, SealError> {
    let mut text = plain.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(aad.as_bytes()), &mut text);
    let nonce = nonce.map_err(failed)?;
    Ok(BASE64.encode([nonce.as_ref(), &*text].concat()))
}

/// The text; none where it does not fit key or data.
fn decrypt(
    key: &RandomizedNonceKey,
    aad: &str,
    encrypted: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, SealError> {
    let bytes = BASE64.decode(encrypted);
    let mut bytes = Zeroizing::new(bytes.map_err(|_| SealError::Malformed)?);
    let (nonce, text) = bytes
        .split_at_mut_checked(NONCE_LEN)
        .ok_or(SealError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
    let plain = key.open_in_place(nonce, Aad::from(aad.as_bytes()), text);
    Ok(plain.ok().map(|plain| Zeroizing::new(plain.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::{InvalidMasterKey, Keyring, SealError, generate};

    fn ring(keys: &[&str]) -> Keyring {
        Keyring::parse(&keys.join(",")).unwrap()
    }

    #[test]
    fn the_first_key_encrypts_and_all_decrypt() {
        let (old, new) = (generate().unwrap(), generate().unwrap());
        let (before, between, after) = (ring(&[&old]), ring(&[&new, &old]), ring(&[&new]));
        let sealed = before.seal("secret/a value", "text").unwrap();
        assert_eq!(&**between.open("secret/a value", &sealed).unwrap(), "text");
        let error = after.open("secret/a value", &sealed).unwrap_err();
        let SealError::UnknownKey { key, known } = error else {
            panic!("{error}");
        };
        assert_eq!(Some(&*key), before.current());
        assert!(known.contains(after.current().unwrap()));
        assert_eq!(between.current(), after.current());
        let again = between.seal("secret/a value", "text").unwrap();
        assert_eq!(&**after.open("secret/a value", &again).unwrap(), "text");
    }

    #[test]
    fn what_belongs_to_another_or_was_changed_is_not_decrypted() {
        let ring = ring(&[&generate().unwrap()]);
        let sealed = ring.seal("secret/a value", "text").unwrap();
        let other = ring.open("secret/b value", &sealed);
        assert!(matches!(other, Err(SealError::Forged(_))));
        let swapped = super::Sealed {
            text: ring.seal("secret/a value", "other").unwrap().text,
            ..sealed.clone()
        };
        let swapped = ring.open("secret/a value", &swapped);
        assert!(matches!(swapped, Err(SealError::Forged(_))));
        let cut = super::Sealed {
            text: "AAAA".to_owned(),
            ..sealed
        };
        let cut = ring.open("secret/a value", &cut);
        assert!(matches!(cut, Err(SealError::Malformed)));
    }

    #[test]
    fn keys_may_be_in_files_and_mistakes_do_not_show_them() {
        let key = generate().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, format!("{}\n", &*key)).unwrap();
        let setting = format!("file:{}", path.display());
        assert_eq!(Keyring::parse(&setting).unwrap().ids(), ring(&[&key]).ids());
        for wrong in ["c2hvcnQ=", "not base64", &format!("{},{}", &*key, &*key)] {
            let error = Keyring::parse(wrong).unwrap_err();
            assert!(!error.to_string().contains(&**key), "{error}");
            assert!(!error.to_string().contains(wrong), "{error}");
        }
        let missing = Keyring::parse("file:/nowhere/key");
        assert!(matches!(missing, Err(InvalidMasterKey::File(1, ..))));
    }
}
