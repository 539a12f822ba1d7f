//! Files of the weights: one safetensors file, or an index that names several.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;

/// Ending of a file with weights.
const WEIGHTS_SUFFIX: &str = ".safetensors";

/// Ending of the file that says which weights file holds which tensor.
const INDEX_SUFFIX: &str = ".safetensors.index.json";

/// Refuse a format other than safetensors; `name` is the spec's `weights`.
///
/// # Errors
/// [`Failure::unsupported`] that names the two endings.
pub fn check_weights(name: &str) -> Result<(), Failure> {
    if name.ends_with(WEIGHTS_SUFFIX) || name.ends_with(INDEX_SUFFIX) {
        return Ok(());
    }
    Err(Failure::unsupported(format!(
        "weights: {name} is neither *{WEIGHTS_SUFFIX} nor *{INDEX_SUFFIX}"
    )))
}

/// All files that hold weights, each once; `name` is the spec's `weights`.
///
/// # Errors
/// [`Failure::internal`] that names an index that cannot be read.
pub fn weights_files(model_dir: &Path, name: &str) -> Result<Vec<PathBuf>, Failure> {
    let path = model_dir.join(name);
    if !name.ends_with(INDEX_SUFFIX) {
        return Ok(vec![path]);
    }
    let problem = |what: &str| Failure::internal(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| problem(&error.to_string()))?;
    let index: Value = serde_json::from_str(&text).map_err(|error| problem(&error.to_string()))?;
    let places = index
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or_else(|| problem("weight_map is missing"))?;
    let names: BTreeSet<&str> = places
        .values()
        .map(|place| {
            place
                .as_str()
                .ok_or_else(|| problem("weight_map names no file"))
        })
        .collect::<Result<_, _>>()?;
    if names.is_empty() {
        return Err(problem("weight_map is empty"));
    }
    Ok(names.into_iter().map(|name| model_dir.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn only_safetensors_are_accepted() {
        assert_eq!(check_weights("model.safetensors"), Ok(()));
        assert_eq!(check_weights("model.safetensors.index.json"), Ok(()));
        assert!(check_weights("model.gguf").is_err());
    }

    #[test]
    fn a_single_file_is_itself() {
        let files = weights_files(Path::new("/m"), "model.safetensors").unwrap();
        assert_eq!(files, [PathBuf::from("/m/model.safetensors")]);
    }

    #[test]
    fn an_index_names_each_of_its_files_once() {
        let folder = Folder::new("index");
        let index = r#"{"weight_map": {"a": "two.safetensors", "b": "one.safetensors", "c": "two.safetensors"}}"#;
        fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        let files = weights_files(folder.path(), "model.safetensors.index.json").unwrap();
        assert_eq!(
            files,
            ["one", "two"].map(|name| folder.path().join(format!("{name}.safetensors")))
        );
    }

    #[test]
    fn a_broken_index_is_named() {
        let folder = Folder::new("broken-index");
        let name = "model.safetensors.index.json";
        for text in [
            "",
            "{}",
            r#"{"weight_map": {}}"#,
            r#"{"weight_map": {"a": 1}}"#,
        ] {
            fs::write(folder.path().join(name), text).unwrap();
            let failure = weights_files(folder.path(), name).unwrap_err();
            assert!(failure.message.contains(name));
        }
    }
}
