//! Secrets of this machine: variables of the environment, and files within the one folder that is allowed.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gatewright_engine::secret::{Lack, LocalSecrets, SecretText};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{config_stream::SharedHolding, published::Publisher};

/// How the variables of Gatewright's own settings begin. Whoever may write plugins must not learn its tokens.
const OWN: &str = "GATEWRIGHT_";
/// How often files are looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Largest file, in bytes: lists of addresses are longer than secrets.
const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;
/// Most files that are looked at again.
const MAX_FILES: usize = 1000;

/// What this machine has.
#[derive(Debug, Default)]
pub(crate) struct MachineSecrets {
    /// The folder that files may be in.
    folder: Option<PathBuf>,
    /// The files that were asked for, with what was in them.
    files: Mutex<BTreeMap<String, Result<[u8; 32], Lack>>>,
}

impl MachineSecrets {
    /// Reads files of this folder only; of none where none is given.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            files: Mutex::default(),
        }
    }

    fn read(&self, path: &str) -> Result<SecretText, Lack> {
        let missing = |reason: String| Lack::Missing(reason);
        let Some(folder) = &self.folder else {
            let reason = "this node reads no files; --secrets-dir allows a folder";
            return Err(missing(reason.to_owned()));
        };
        let unreadable = |error: std::io::Error| missing(format!("cannot be read: {error}"));
        let folder = folder.canonicalize().map_err(unreadable)?;
        let path = folder.join(path).canonicalize().map_err(unreadable)?;
        // Links are followed, but not out of the folder.
        if !path.starts_with(&folder) {
            return Err(missing(
                "is not within the folder that --secrets-dir allows".to_owned(),
            ));
        }
        text(&path)
    }

    /// Whether a file that was asked for has changed.
    fn changed(&self) -> bool {
        let known = self.lock().clone();
        let is_other = |(path, before): (&String, &Result<[u8; 32], Lack>)| {
            self.read(path).map(|text| text.digest()) != *before
        };
        known.iter().any(is_other)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Result<[u8; 32], Lack>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalSecrets for MachineSecrets {
    fn env(&self, name: &str) -> Result<SecretText, Lack> {
        let missing = |reason: &str| Lack::Missing(reason.to_owned());
        if name.starts_with(OWN) {
            return Err(missing("settings of Gatewright itself are not read"));
        }
        match env::var(name) {
            Ok(text) if text.is_empty() => Err(missing("the variable is empty")),
            Ok(text) => Ok(SecretText::new(text)),
            Err(env::VarError::NotPresent) => Err(missing("there is no such variable")),
            Err(env::VarError::NotUnicode(_)) => Err(missing("the variable is not UTF-8")),
        }
    }

    fn file(&self, path: &str) -> Result<SecretText, Lack> {
        let text = self.read(path);
        let mut files = self.lock();
        if files.len() < MAX_FILES || files.contains_key(path) {
            let seen = text.as_ref().map(SecretText::digest).map_err(Lack::clone);
            files.insert(path.to_owned(), seen);
        }
        text
    }
}

/// The text of a file, without the end of its last line.
fn text(path: &Path) -> Result<SecretText, Lack> {
    let missing = |reason: String| Lack::Missing(reason);
    let unreadable = |error: std::io::Error| missing(format!("cannot be read: {error}"));
    // Opening a pipe would wait for who writes to it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(missing("is not a file".to_owned()));
    }
    let file = fs::File::open(path).map_err(unreadable)?;
    let (mut text, most) = (String::new(), MAX_FILE_BYTES as u64 + 1);
    file.take(most)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() > MAX_FILE_BYTES {
        return Err(missing(format!("has more than {MAX_FILE_BYTES} bytes")));
    }
    let whole = text.strip_suffix('\n').unwrap_or(&text);
    let whole = whole.strip_suffix('\r').unwrap_or(whole);
    match whole {
        "" => Err(missing("is empty".to_owned())),
        whole => Ok(SecretText::new(whole)),
    }
}

/// Serves with what files have now, whenever it is something else than before; until `stop`.
pub(crate) async fn follow(
    secrets: Arc<MachineSecrets>,
    holding: SharedHolding,
    publisher: Publisher,
    stop: CancellationToken,
) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.cancelled() => return,
        }
        let (secrets, shared) = (Arc::clone(&secrets), holding.clone());
        let look = move || {
            let changed = secrets.changed();
            if changed {
                shared.refresh();
            }
            changed
        };
        if let Ok(true) = tokio::task::spawn_blocking(look).await {
            holding.publish(&publisher);
            tracing::info!("a file with a secret has changed; serving with what it has now");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use gatewright_engine::secret::{Lack, LocalSecrets as _};

    use super::MachineSecrets;

    #[test]
    fn files_are_read_within_the_folder_only() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = inside.path();
        fs::write(folder.join("key"), "the-key\n").unwrap();
        fs::write(folder.join("empty"), "\n").unwrap();
        fs::write(outside.path().join("other"), "hidden").unwrap();
        symlink(folder.join("key"), folder.join("link")).unwrap();
        symlink(outside.path().join("other"), folder.join("way-out")).unwrap();
        let secrets = MachineSecrets::new(Some(folder.to_owned()));
        let absolute = folder.join("key").display().to_string();
        for path in ["key", "link", "./key", &absolute] {
            assert_eq!(secrets.file(path).unwrap().expose(), "the-key", "{path}");
        }
        let other = outside.path().join("other").display().to_string();
        let up = format!("../{}/other", outside.path().file_name().unwrap().display());
        for path in ["way-out", &other, &up, "none", "empty", "."] {
            let read = secrets.file(path);
            assert!(matches!(read, Err(Lack::Missing(_))), "{path}");
        }
        let none = MachineSecrets::default().file("key");
        assert!(matches!(none, Err(Lack::Missing(_))));
    }

    #[test]
    fn a_file_that_has_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = MachineSecrets::new(Some(folder.path().to_owned()));
        assert!(secrets.file("key").is_err());
        assert!(!secrets.changed());
        fs::write(folder.path().join("key"), "one").unwrap();
        assert!(secrets.changed());
        assert_eq!(secrets.file("key").unwrap().expose(), "one");
        assert!(!secrets.changed());
        fs::remove_file(folder.path().join("key")).unwrap();
        assert!(secrets.changed());
    }
}
