//! What an adapter implements.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::batch::{Batch, MOST_SEQUENCES};
use crate::failure::Failure;
use crate::load::Mode;
use crate::refusals::MARGINS;
use crate::spec::{Case, Dtype, Spec};
use crate::timings::Timings;

/// An inference engine behind the protocol.
pub trait Engine: Sized {
    /// Who this is and what it can do; called before anything is loaded.
    fn describe() -> Description;

    /// Refuse what [`Capabilities`] cannot express, such as the value of an option; called before
    /// anything is loaded.
    ///
    /// # Errors
    /// [`Failure::unsupported`], as a rule.
    fn check(_spec: &Spec) -> Result<(), Failure> {
        Ok(())
    }

    /// Load the model, so that the next call can take a prompt. No thread but the main one exists.
    ///
    /// # Errors
    /// Whatever keeps the model from being loaded.
    fn load(spec: &Spec) -> Result<(Self, Loaded), Failure>;

    /// Empty every cache that a prompt has left behind; called before each prompt, outside the
    /// timed region.
    ///
    /// # Errors
    /// Whatever keeps the caches from being emptied.
    fn reset(&mut self) -> Result<(), Failure>;

    /// Generate the tokens of one case: the timed region. `seed` belongs to this round already.
    /// Each id goes to [`Timings::push`] as soon as the host knows it; [`crate::decode`] does so
    /// for an engine that yields logits.
    ///
    /// # Errors
    /// Whatever keeps the engine from yielding the tokens.
    fn generate(&mut self, case: &Case, seed: u64, timings: &mut Timings) -> Result<(), Failure>;

    /// The engine as one that decodes several sequences together; none where it does not. What it
    /// can is in [`Capabilities::together`].
    fn batch(&mut self) -> Option<&mut dyn Batch> {
        None
    }
}

/// Who an adapter is: its `hello`.
#[derive(Debug, Clone)]
pub struct Description {
    /// Name of the adapter.
    pub engine: &'static str,
    /// Version of the engine behind the adapter.
    pub version: String,
    /// Compiler, flags and libraries as far as the adapter knows them; see [`build_facts`].
    pub build: Map<String, Value>,
    /// What the adapter can do.
    pub capabilities: Capabilities,
    /// Names of the options that it knows. `margins` is served by [`crate::decode`].
    pub options: &'static [&'static str],
}

impl Description {
    /// Description of an adapter whose engine generates with [`crate::decode`] and computes in every
    /// type: the adapter's name, the library's and its version, whether the build has CUDA, and the
    /// kinds of device that it can use here.
    #[must_use]
    pub fn of_logits(
        engine: &'static str,
        library: &str,
        version: &str,
        has_cuda: bool,
        devices: Vec<&'static str>,
    ) -> Self {
        let mut build = build_facts();
        build.insert(library.to_owned(), version.into());
        build.insert("cuda".to_owned(), has_cuda.into());
        let dtypes = vec![Dtype::F32, Dtype::F16, Dtype::Bf16];
        Self {
            engine,
            version: version.to_owned(),
            build,
            capabilities: Capabilities::of_logits(devices, dtypes),
            options: &[MARGINS],
        }
    }

    /// The same of an adapter that has [`Engine::batch`].
    #[must_use]
    pub fn together(mut self) -> Self {
        self.capabilities = self.capabilities.together();
        self
    }
}

/// What an adapter can do; all else is refused.
#[derive(Debug, Clone, Serialize)]
pub struct Capabilities {
    /// Kinds of device that this build can use here: `cpu`, `cuda`.
    pub devices: Vec<&'static str>,
    /// Types that it computes in.
    pub dtypes: Vec<Dtype>,
    /// Ways to choose a token: `greedy`, `temperature`, `top_p`.
    pub sampling: Vec<&'static str>,
    /// Whether a seed makes sampling repeatable.
    pub seed: bool,
    /// Values of `load.mode` that it serves.
    pub load_modes: Vec<&'static str>,
    /// Most requests in flight.
    pub max_concurrency: u64,
    /// Whether it can go on past an end-of-sequence id.
    pub ignore_eos: bool,
    /// Whether it can be fed other ids than it chose (`forced_ids`).
    pub teacher_forcing: bool,
    /// Whether it can give the logits behind each token (`logits_path`).
    pub logits: bool,
}

impl Capabilities {
    /// Capabilities of an engine that generates with [`crate::decode`]: one request at a time,
    /// every way of sampling, seeded, teacher forcing and logits.
    #[must_use]
    pub fn of_logits(devices: Vec<&'static str>, dtypes: Vec<Dtype>) -> Self {
        Self {
            devices,
            dtypes,
            sampling: vec!["greedy", "temperature", "top_p"],
            seed: true,
            load_modes: vec!["closed"],
            max_concurrency: 1,
            ignore_eos: true,
            teacher_forcing: true,
            logits: true,
        }
    }

    /// The same of an engine that has [`Engine::batch`].
    #[must_use]
    pub fn together(self) -> Self {
        Self {
            load_modes: vec![Mode::Closed.word(), Mode::Open.word()],
            max_concurrency: MOST_SEQUENCES as u64,
            ..self
        }
    }
}

/// What was loaded: the facts of `load_end`.
#[derive(Debug, Clone, Serialize)]
pub struct Loaded {
    /// Type in which weights are held.
    pub weights_dtype: String,
    /// Type in which products are accumulated.
    pub compute_dtype: String,
    /// Type of the KV cache.
    pub kv_cache_dtype: String,
    /// Device that computes.
    pub device: String,
    /// Computing threads that the engine set up.
    pub threads: usize,
    /// Sequences that one step computes.
    pub batch_size: usize,
    /// Vector instructions of the kernels that compute on the CPU, by the word of the engine or its
    /// library, as `avx2`; `None` where it tells none, for they are never guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simd: Option<&'static str>,
    /// Whether the model runs as a graph that was compiled or captured, not operation by operation.
    pub compiled_graph: bool,
}

/// Compiler and flags with which this program was built, for [`Description::build`].
#[must_use]
pub fn build_facts() -> Map<String, Value> {
    [
        ("compiler", env!("BENCH_RUSTC")),
        ("target", env!("BENCH_TARGET")),
        ("target_features", env!("BENCH_TARGET_FEATURES")),
        ("profile", env!("BENCH_PROFILE")),
        ("opt_level", env!("BENCH_OPT_LEVEL")),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), Value::from(value)))
    .collect()
}
