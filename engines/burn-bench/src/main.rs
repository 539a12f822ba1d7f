//! Adapter for burn: a Llama of our own, since burn's crates have none.

mod device;
mod llama;
mod weights;

#[cfg(test)]
mod engine_tests;

use std::process::ExitCode;

use bench_protocol::checkpoint::{LlamaConfig, check_weights, weights_files};
use bench_protocol::{
    Batch, Case, Description, Device, Dtype, Engine, Failure, Loaded, Sampler, Spec, Timings,
    decode, device_kinds, require_device,
};
use burn_flex::{Flex, FlexDevice};
use burn_tensor::DType;
use burn_tensor::backend::{Backend, ExecutionError};

use llama::Llama;
use weights::Weights;

fn main() -> ExitCode {
    device::find_toolkit();
    bench_protocol::run::<Burn>()
}

/// A loaded model on one of burn's backends.
enum Model {
    Cpu(Llama<Flex>),
    #[cfg(feature = "cuda")]
    Cuda(Llama<burn_cuda::Cuda>),
}

impl Model {
    fn reset(&mut self) {
        match self {
            Self::Cpu(llama) => llama.reset(),
            #[cfg(feature = "cuda")]
            Self::Cuda(llama) => llama.reset(),
        }
    }

    fn release(&mut self, place: usize) {
        match self {
            Self::Cpu(llama) => llama.release(place),
            #[cfg(feature = "cuda")]
            Self::Cuda(llama) => llama.release(place),
        }
    }

    fn logits(&mut self, sequences: &[(usize, &[u32])]) -> Result<Vec<f32>, Failure> {
        match self {
            Self::Cpu(llama) => llama.logits(sequences),
            #[cfg(feature = "cuda")]
            Self::Cuda(llama) => llama.logits(sequences),
        }
    }
}

struct Burn {
    model: Model,
    sampler: Sampler,
}

impl Engine for Burn {
    fn describe() -> Description {
        Description::of_logits(
            "burn-bench",
            "burn",
            env!("BURN_VERSION"),
            cfg!(feature = "cuda"),
            device_kinds(&device::gpus()),
        )
        .together()
    }

    fn check(spec: &Spec) -> Result<(), Failure> {
        require_device(spec.device, &device::gpus())?;
        check_weights(&spec.weights)
    }

    fn load(spec: &Spec) -> Result<(Self, Loaded), Failure> {
        let threads = device::set_threads(spec.threads)?;
        let config = LlamaConfig::read(spec)?;
        let weights = Weights::open(&weights_files(&spec.model_dir, &spec.weights)?)?;
        let model = match spec.device {
            Device::Cpu => Model::Cpu(load_on(spec, &config, &weights, FlexDevice)?),
            Device::Cuda(index) => load_on_gpu(spec, &config, &weights, index)?,
        };
        weights.check_all_loaded()?;

        let held = spec.dtype.to_string();
        let loaded = Loaded {
            weights_dtype: held.clone(),
            compute_dtype: compute_dtype(spec).to_owned(),
            kv_cache_dtype: held,
            device: spec.device.to_string(),
            threads,
            batch_size: spec.places(),
            // Neither burn-flex nor its gemm and macerator say which kernels they chose.
            simd: None,
            // burn-cuda fuses streams of operations into kernels that it compiles at their first use.
            compiled_graph: matches!(spec.device, Device::Cuda(_)),
        };
        let sampler = Sampler::default();
        Ok((Self { model, sampler }, loaded))
    }

    fn reset(&mut self) -> Result<(), Failure> {
        self.model.reset();
        Ok(())
    }

    fn generate(&mut self, case: &Case, seed: u64, timings: &mut Timings) -> Result<(), Failure> {
        let Self { model, sampler } = self;
        decode(case, seed, sampler, timings, |ids, _| {
            model.logits(&[(0, ids)])
        })
    }

    fn batch(&mut self) -> Option<&mut dyn Batch> {
        Some(self)
    }
}

impl Batch for Burn {
    fn prefill(&mut self, places: &[usize], prompts: &[&[u32]]) -> Result<Vec<f32>, Failure> {
        let sequences = places.iter().copied().zip(prompts.iter().copied());
        self.model.logits(&sequences.collect::<Vec<_>>())
    }

    fn step(&mut self, places: &[usize], ids: &[u32]) -> Result<Vec<f32>, Failure> {
        let sequences = places.iter().copied().zip(ids.chunks(1));
        self.model.logits(&sequences.collect::<Vec<_>>())
    }

    fn release(&mut self, place: usize) {
        self.model.release(place);
    }
}

/// Load the model onto a device of one backend; waits until it is there.
fn load_on<B: Backend>(
    spec: &Spec,
    config: &LlamaConfig,
    weights: &Weights,
    device: B::Device,
) -> Result<Llama<B>, Failure> {
    let dtype = burn_dtype(spec.dtype);
    let llama = Llama::load(spec, config, weights, device.clone(), dtype)?;
    B::sync(&device).map_err(|error| failure(&error))?;
    Ok(llama)
}

#[cfg(feature = "cuda")]
fn load_on_gpu(
    spec: &Spec,
    config: &LlamaConfig,
    weights: &Weights,
    index: usize,
) -> Result<Model, Failure> {
    let device = burn_cuda::CudaDevice::new(index);
    load_on(spec, config, weights, device).map(Model::Cuda)
}

#[cfg(not(feature = "cuda"))]
fn load_on_gpu(
    spec: &Spec,
    _config: &LlamaConfig,
    _weights: &Weights,
    _index: usize,
) -> Result<Model, Failure> {
    Err(Failure::unsupported(format!(
        "device: {} is asked for, this build has no cuda",
        spec.device
    )))
}

/// Type of the products. On the CPU gemm widens f16 to f32 as it packs it, burn-flex bf16 before each
/// product. On a GPU autotune may choose kernels for tensor cores, which round f32 to TF32 (cubek's
/// `adjust_dtypes`).
fn compute_dtype(spec: &Spec) -> &'static str {
    match (spec.device, spec.dtype) {
        (Device::Cuda(_), Dtype::F32) => "tf32",
        _ => "f32",
    }
}

/// burn's error in the protocol's kinds. Its text opens with a line that says nothing.
fn failure(error: &ExecutionError) -> Failure {
    let (ExecutionError::WithContext { reason } | ExecutionError::Generic { reason, .. }) = error;
    Failure::of_engine("burn", reason)
}

fn burn_dtype(dtype: Dtype) -> DType {
    match dtype {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::Bf16 => DType::BF16,
    }
}
