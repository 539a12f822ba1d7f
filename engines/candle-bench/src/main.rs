//! Adapter for candle: the Llama of candle-transformers, as candle's users run it.

mod config;
mod device;

#[cfg(test)]
mod engine_tests;

use std::env;
use std::process::ExitCode;

use bench_protocol::checkpoint::{LlamaConfig, check_weights, weights_files};
use bench_protocol::{
    Case, Description, Dtype, Engine, Failure, Loaded, Sampler, Spec, Timings, decode,
    device_kinds, require_device,
};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama};

fn main() -> ExitCode {
    bench_protocol::run::<Candle>()
}

/// A loaded model with the cache of the prompt that it works on.
struct Candle {
    model: Llama,
    config: Config,
    dtype: DType,
    device: Device,
    cache: Cache,
    sampler: Sampler,
}

impl Engine for Candle {
    fn describe() -> Description {
        Description::of_logits(
            "candle-bench",
            "candle",
            env!("CANDLE_VERSION"),
            cfg!(feature = "cuda"),
            device_kinds(&device::gpus()),
        )
    }

    fn check(spec: &Spec) -> Result<(), Failure> {
        require_device(spec.device, &device::gpus())?;
        check_weights(&spec.weights)
    }

    fn load(spec: &Spec) -> Result<(Self, Loaded), Failure> {
        // candle's products ask RAYON_NUM_THREADS how far to spread and run on rayon's pool, which
        // asks it too; CANDLE_NUM_THREADS sizes candle's own pool, whose main thread spins.
        for variable in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
            // SAFETY: the engine has started no thread yet, and all that reads the environment at
            // this time is Rust's standard library, which locks it.
            unsafe { env::set_var(variable, spec.threads.to_string()) };
        }
        let config = config::candle_config(&LlamaConfig::read(spec)?)?;
        let files = weights_files(&spec.model_dir, &spec.weights)?;
        let device = device::open(spec.device)?;
        let dtype = candle_dtype(spec.dtype);
        // SAFETY: nothing writes to the model's files while a launch reads them.
        let variables = unsafe { VarBuilder::from_mmaped_safetensors(&files, dtype, &device) }
            .map_err(failure)?;
        let model = Llama::load(variables, &config).map_err(failure)?;
        let cache = Cache::new(true, dtype, &config, &device).map_err(failure)?;
        device.synchronize().map_err(failure)?;

        let held = spec.dtype.to_string();
        let loaded = Loaded {
            weights_dtype: held.clone(),
            // gemm and cuBLAS accumulate f16 in f32 as candle calls them; bf16 is widened on the
            // CPU.
            compute_dtype: Dtype::F32.to_string(),
            kv_cache_dtype: held,
            device: spec.device.to_string(),
            threads: candle_core::utils::get_num_threads(),
            batch_size: 1,
            simd: device::simd(spec.device),
            compiled_graph: false,
        };
        let engine = Self {
            model,
            config,
            dtype,
            device,
            cache,
            sampler: Sampler::default(),
        };
        Ok((engine, loaded))
    }

    fn reset(&mut self) -> Result<(), Failure> {
        self.cache = Cache::new(true, self.dtype, &self.config, &self.device).map_err(failure)?;
        // The tables of the new cache are computed before the clock starts, not after.
        self.device.synchronize().map_err(failure)
    }

    fn generate(&mut self, case: &Case, seed: u64, timings: &mut Timings) -> Result<(), Failure> {
        let Self {
            model,
            device,
            cache,
            sampler,
            ..
        } = self;
        decode(case, seed, sampler, timings, |ids, position| {
            logits(model, device, cache, ids, position).map_err(failure)
        })
    }
}

/// Logits that follow `ids`, the first of which stands at `position`. The copy to the host also
/// waits for a GPU.
fn logits(
    model: &Llama,
    device: &Device,
    cache: &mut Cache,
    ids: &[u32],
    position: usize,
) -> candle_core::Result<Vec<f32>> {
    let input = Tensor::new(ids, device)?.unsqueeze(0)?;
    model
        .forward(&input, position, cache)?
        .squeeze(0)?
        .to_vec1()
}

fn candle_dtype(dtype: Dtype) -> DType {
    match dtype {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::Bf16 => DType::BF16,
    }
}

/// candle's error in the protocol's kinds.
fn failure(error: candle_core::Error) -> Failure {
    Failure::of_engine("candle", &error.to_string())
}
