//! A model's folder in the Hugging Face layout, for engines that leave reading it to their adapter.

mod config;
mod files;

pub use config::{Llama3Scaling, LlamaConfig};
pub use files::{check_weights, weights_files};
