//! What the benches measure on: the corpora in `shared/data/corpora` above the repository, or in the
//! folder `TOKSEAM_CORPORA`, and the tokenizer files that `TOKSEAM_FILES` names, parted as in `PATH`.
//! What is not there is named and left out.

use std::path::{Path, PathBuf};

/// The texts of the corpora with these names.
#[must_use]
pub fn corpora<'n>(names: &[&'n str]) -> Vec<(&'n str, String)> {
    let folder = std::env::var_os("TOKSEAM_CORPORA").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .ancestors()
                .map(|folder| folder.join("shared/data/corpora"))
                .find(|folder| folder.is_dir())
                .unwrap_or_default()
        },
        PathBuf::from,
    );
    let read = |name: &&'n str| {
        let path = folder.join(name).with_extension("txt");
        found(&path, std::fs::read_to_string(&path)).map(|text| (*name, text))
    };
    names.iter().filter_map(read).collect()
}

/// The tokenizer files, with their names.
#[must_use]
pub fn files() -> Vec<(String, Vec<u8>)> {
    let named = std::env::var_os("TOKSEAM_FILES").unwrap_or_default();
    let read = |path: PathBuf| {
        let name = path.file_stem()?.to_string_lossy().into_owned();
        found(&path, std::fs::read(&path)).map(|data| (name, data))
    };
    std::env::split_paths(&named)
        .filter(|path| !path.as_os_str().is_empty())
        .filter_map(read)
        .collect()
}

fn found<T>(path: &Path, result: std::io::Result<T>) -> Option<T> {
    if let Err(error) = &result {
        eprintln!("left out {}: {error}", path.display());
    }
    result.ok()
}
