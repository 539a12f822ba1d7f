//! What the tests of the adapters share: a tiny Llama on disk and its logits worked out anew.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod folder;
mod reference;
mod tiny_model;

pub use folder::Folder;
pub use tiny_model::TinyModel;
