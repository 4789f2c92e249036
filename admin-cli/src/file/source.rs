//! Finds and loads files.

use std::{
    fs,
    io::{BufRead, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// A text and where it came from.
#[derive(Debug)]
pub(super) struct Source {
    /// Path as it was given, or `<stdin>`.
    pub(super) name: String,
    pub(super) text: String,
}

/// Loads files, the files of folders, and standard input (`-`).
pub(super) fn load(paths: &[PathBuf], input: &mut dyn BufRead) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            let read = input.take(MAX_BYTES).read_to_string(&mut text);
            read.context("cannot read standard input")?;
            let name = "<stdin>".to_owned();
            sources.push(Source { name, text });
        } else if path.is_dir() {
            for file in inside(path)? {
                sources.push(file_at(&file)?);
            }
        } else {
            sources.push(file_at(path)?);
        }
    }
    Ok(sources)
}

fn file_at(path: &Path) -> anyhow::Result<Source> {
    let name = path.display().to_string();
    let cannot = || format!("cannot read `{name}`");
    let bytes = fs::metadata(path).with_context(cannot)?.len();
    ensure!(
        bytes <= MAX_BYTES,
        "`{name}` is over {} MiB",
        MAX_BYTES >> 20
    );
    let text = fs::read_to_string(path).with_context(cannot)?;
    Ok(Source { name, text })
}

/// The files of a folder, by name. Folders in it are not looked into.
fn inside(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read `{}`", folder.display());
    let mut files = Vec::new();
    for file in fs::read_dir(folder).with_context(cannot)? {
        let path = file.with_context(cannot)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    let empty = || format!("`{}` has no .yaml, .yml or .json file", folder.display());
    ensure!(!files.is_empty(), empty());
    Ok(files)
}
