//! Tensors of safetensors files.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use bench_protocol::Failure;
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor, TensorData, bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// Tensors that a checkpoint may hold although no Llama computes with them: the output layer
/// beside an embedding that is tied to it, and tables that old checkpoints carried along.
const UNUSED: [&str; 2] = ["lm_head.weight", "rotary_emb.inv_freq"];

/// All weights files of a model, mapped into memory.
pub struct Weights {
    files: Vec<(PathBuf, Mmap)>,
    /// Which file holds a tensor.
    places: BTreeMap<String, usize>,
    loaded: RefCell<BTreeSet<String>>,
}

impl Weights {
    /// Map files and read their tables of content.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut files = Vec::new();
        let mut places = BTreeMap::new();
        for (index, path) in paths.iter().enumerate() {
            let file = File::open(path).map_err(|error| problem(path, &error))?;
            // SAFETY: nothing writes to the model's files while a launch reads them.
            let map = unsafe { Mmap::map(&file) }.map_err(|error| problem(path, &error))?;
            let content = SafeTensors::deserialize(&map).map_err(|error| problem(path, &error))?;
            places.extend(
                content
                    .names()
                    .into_iter()
                    .map(|name| (name.to_owned(), index)),
            );
            files.push((path.clone(), map));
        }
        Ok(Self {
            files,
            places,
            loaded: RefCell::default(),
        })
    }

    /// Copy a tensor to a device; refuses one of another shape.
    pub fn tensor<B: Backend, const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        device: &B::Device,
        dtype: DType,
    ) -> Result<Tensor<B, D>, Failure> {
        let Some(&index) = self.places.get(name) else {
            return Err(Failure::internal(format!(
                "{name} is in none of the weights files"
            )));
        };
        let (path, map) = &self.files[index];
        let content = SafeTensors::deserialize(map).map_err(|error| problem(path, &error))?;
        let view = content
            .tensor(name)
            .map_err(|error| problem(path, &error))?;
        if view.shape() != shape {
            return Err(problem(
                path,
                &format!(
                    "{name} has shape {:?}, config.json says {shape:?}",
                    view.shape()
                ),
            ));
        }
        self.loaded.borrow_mut().insert(name.to_owned());
        let data = data(&view, dtype).map_err(|why| problem(path, &format!("{name} {why}")))?;
        Ok(Tensor::from_data(data, (device, dtype)))
    }

    /// Refuse a checkpoint with tensors that nothing has loaded, biases for one: the model would
    /// be computed without them.
    pub fn check_all_loaded(&self) -> Result<(), Failure> {
        let loaded = self.loaded.borrow();
        let left = self.places.keys().find(|name| {
            !loaded.contains(*name) && !UNUSED.iter().any(|unused| name.ends_with(unused))
        });
        match left {
            None => Ok(()),
            Some(name) => Err(Failure::unsupported(format!(
                "{}: {name} is a tensor that this engine's Llama does not compute with",
                self.files[self.places[name]].0.display()
            ))),
        }
    }
}

fn problem(path: &Path, what: &impl ToString) -> Failure {
    Failure::internal(format!("{}: {}", path.display(), what.to_string()))
}

/// The tensor's values in another type.
fn data(view: &TensorView<'_>, dtype: DType) -> Result<TensorData, String> {
    let shape = view.shape().to_vec();
    Ok(match dtype {
        DType::F16 => TensorData::new(values(view, f16::from_f32)?, shape),
        DType::BF16 => TensorData::new(values(view, bf16::from_f32)?, shape),
        _ => TensorData::new(values(view, |value| value)?, shape),
    })
}

/// Read the file's little-endian values. The way over float32 loses nothing of either half type.
fn values<T>(view: &TensorView<'_>, convert: impl Fn(f32) -> T) -> Result<Vec<T>, String> {
    let bytes = view.data();
    let (halves, _) = bytes.as_chunks::<2>();
    Ok(match view.dtype() {
        Dtype::F32 => {
            let (words, _) = bytes.as_chunks::<4>();
            let read = |word: &[u8; 4]| convert(f32::from_le_bytes(*word));
            words.iter().map(read).collect()
        }
        Dtype::F16 => {
            let read = |half: &[u8; 2]| convert(f16::from_le_bytes(*half).to_f32());
            halves.iter().map(read).collect()
        }
        Dtype::BF16 => {
            let read = |half: &[u8; 2]| convert(bf16::from_le_bytes(*half).to_f32());
            halves.iter().map(read).collect()
        }
        other => return Err(format!("is {other:?}, only F32, F16 and BF16 are read")),
    })
}
