//! What the tests of the adapters share: a tiny Llama on disk, its logits worked out anew, and what to ask of an engine.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod checks;
mod folder;
mod reference;
mod tiny_model;

pub use folder::Folder;
pub use tiny_model::TinyModel;
#[cfg(test)]
pub(crate) use tiny_model::greedy_spec;
