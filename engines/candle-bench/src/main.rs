//! Adapter for candle: the Llama of candle-transformers, as candle's users run it.

mod config;
mod device;

#[cfg(test)]
mod engine_tests;

use std::env;
use std::process::ExitCode;

use bench_protocol::checkpoint::{LlamaConfig, check_weights, weights_files};
use bench_protocol::{
    Batch, Case, Description, Dtype, Engine, Failure, Loaded, Sampler, Spec, Timings, decode,
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
    /// A cache without tokens, for the next batch: its tables are computed once.
    empty: Cache,
    /// Place of each sequence of the batch, and the id to put behind it.
    rows: Vec<(usize, u32)>,
    /// Tokens of each.
    position: usize,
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
        .together()
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
            batch_size: spec.places(),
            simd: device::simd(spec.device),
            compiled_graph: false,
        };
        let engine = Self {
            model,
            config,
            dtype,
            device,
            empty: cache.clone(),
            cache,
            sampler: Sampler::default(),
            rows: Vec::new(),
            position: 0,
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
            logits(model, device, cache, ids, 1, position).map_err(failure)
        })
    }

    fn batch(&mut self) -> Option<&mut dyn Batch> {
        Some(self)
    }
}

/// candle's Llama has one position for all rows of a batch, and its cache gives none back: rows begin
/// together with prompts of one length, and one that has ended is computed to the end of all.
impl Batch for Candle {
    fn is_static(&self) -> bool {
        true
    }

    fn prefill(&mut self, places: &[usize], prompts: &[&[u32]]) -> Result<Vec<f32>, Failure> {
        self.cache = self.empty.clone();
        self.rows = places.iter().map(|&place| (place, 0)).collect();
        self.position = 0;
        self.forward(&prompts.concat())
    }

    fn step(&mut self, places: &[usize], ids: &[u32]) -> Result<Vec<f32>, Failure> {
        let asked = |row: &(usize, u32)| places.iter().position(|&place| place == row.0);
        let mut order = Vec::with_capacity(places.len());
        for (number, row) in self.rows.iter_mut().enumerate() {
            if let Some(index) = asked(row) {
                row.1 = ids[index];
                order.push((index, number));
            }
        }
        let ids: Vec<u32> = self.rows.iter().map(|row| row.1).collect();
        let logits = self.forward(&ids)?;
        if order
            .iter()
            .copied()
            .eq((0..self.rows.len()).map(|row| (row, row)))
        {
            return Ok(logits);
        }
        order.sort_unstable();
        let width = logits.len() / self.rows.len();
        let rows = order
            .iter()
            .map(|&(_, row)| &logits[row * width..(row + 1) * width]);
        Ok(rows.collect::<Vec<_>>().concat())
    }

    fn release(&mut self, _: usize) {}
}

impl Candle {
    /// Logits that follow the next ids of all rows, one row after the other.
    fn forward(&mut self, ids: &[u32]) -> Result<Vec<f32>, Failure> {
        let (rows, position) = (self.rows.len(), self.position);
        self.position += ids.len() / rows;
        logits(
            &self.model,
            &self.device,
            &mut self.cache,
            ids,
            rows,
            position,
        )
        .map_err(failure)
    }
}

/// Logits that follow the `ids` of so many equally long rows, the first of which stand at `position`.
/// The copy to the host also waits for a GPU.
fn logits(
    model: &Llama,
    device: &Device,
    cache: &mut Cache,
    ids: &[u32],
    rows: usize,
    position: usize,
) -> candle_core::Result<Vec<f32>> {
    let input = Tensor::from_slice(ids, (rows, ids.len() / rows), device)?;
    model
        .forward(&input, position, cache)?
        .flatten_all()?
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
