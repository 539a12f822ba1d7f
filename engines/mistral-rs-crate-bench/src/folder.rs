//! The model as mistral.rs shall see it: nothing that the spec does not name reaches it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, io, process};

use bench_protocol::checkpoint::LlamaConfig;
use bench_protocol::{Failure, tell};
use serde_json::{Map, Value, json};

/// Tells apart the folders of one process.
static FOLDERS: AtomicU64 = AtomicU64::new(0);

/// A temporary folder with links to the weights; it goes when this is dropped.
pub struct ModelFolder(PathBuf);

impl ModelFolder {
    /// Lay out a model of this shape with these weights, under names that mistral.rs takes for
    /// weights.
    ///
    /// # Errors
    /// [`bench_protocol::Kind::Internal`] where a file cannot be written.
    pub fn lay_out(config: &LlamaConfig, weights: &[PathBuf]) -> Result<Self, Failure> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("mistral-rs-crate-bench-{}-{number}", process::id());
        let folder = Self(env::temp_dir().join(name));
        folder.fill(config, weights).map_err(|error| {
            Failure::internal(format!("{} cannot be filled: {error}", folder.0.display()))
        })?;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn fill(&self, config: &LlamaConfig, weights: &[PathBuf]) -> io::Result<()> {
        fs::create_dir(&self.0)?;
        for (index, file) in weights.iter().enumerate() {
            let name = format!("model-{:05}-of-{:05}.safetensors", index + 1, weights.len());
            std::os::unix::fs::symlink(fs::canonicalize(file)?, self.0.join(name))?;
        }
        for (name, content) in [
            ("config.json", config_json(config)),
            ("tokenizer.json", tokenizer_json(config.vocab_size)),
            ("tokenizer_config.json", json!({})),
        ] {
            fs::write(self.0.join(name), content.to_string())?;
        }
        Ok(())
    }
}

impl Drop for ModelFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tell(format_args!(
                "{} cannot be removed: {error}",
                self.0.display()
            ));
        }
    }
}

/// The shape in mistral.rs' terms.
fn config_json(config: &LlamaConfig) -> Value {
    let scaling = config.rope_scaling.map(|scaling| {
        json!({
            "rope_type": "llama3", "factor": scaling.factor,
            "low_freq_factor": scaling.low_freq_factor,
            "high_freq_factor": scaling.high_freq_factor,
            "original_max_position_embeddings": scaling.original_max_position_embeddings
        })
    });
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "vocab_size": config.vocab_size, "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "rms_norm_eps": config.rms_norm_eps, "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "max_position_embeddings": config.max_position_embeddings,
        "tie_word_embeddings": config.tie_word_embeddings
    })
}

/// A tokenizer with one word an id. mistral.rs wants one and writes down the text of what it
/// generates; the model sees ids alone.
fn tokenizer_json(vocabulary: usize) -> Value {
    let vocab: Map<String, Value> = (0..vocabulary)
        .map(|id| (format!("<{id}>"), id.into()))
        .collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        // mistral.rs refuses a tokenizer without a decoder that it knows.
        "decoder": {
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
            "use_regex": false
        },
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<0>"}
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_protocol::testing::{Folder, TinyModel};

    #[test]
    fn the_shape_comes_back_from_the_configuration_written() {
        let folder = Folder::new("written-config");
        let model = TinyModel {
            has_llama3_scaling: true,
            ..TinyModel::default()
        };
        model.write(&folder);
        let mut spec = TinyModel::spec(&folder);
        let config = LlamaConfig::read(&spec).unwrap();
        let weights = [spec.model_dir.join(&spec.weights)];
        let laid_out = ModelFolder::lay_out(&config, &weights).unwrap();
        spec.model_dir = laid_out.path().to_owned();
        assert_eq!(LlamaConfig::read(&spec).unwrap(), config);
        let link = laid_out.path().join("model-00001-of-00001.safetensors");
        assert_eq!(fs::read(link).unwrap(), fs::read(&weights[0]).unwrap());
    }

    #[test]
    fn the_folder_goes_with_its_owner() {
        let folder = Folder::new("gone");
        TinyModel::default().write(&folder);
        let config = LlamaConfig::read(&TinyModel::spec(&folder)).unwrap();
        let laid_out = ModelFolder::lay_out(&config, &[]).unwrap();
        let path = laid_out.path().to_owned();
        assert!(path.join("tokenizer.json").is_file());
        drop(laid_out);
        assert!(!path.exists());
    }
}
