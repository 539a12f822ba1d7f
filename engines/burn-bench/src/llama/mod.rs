//! A Llama on burn's tensors: transformers' `modeling_llama.py` for one sequence at a time.
//!
//! Hidden states have the shape [tokens, width], heads [heads, tokens, head width]. Where
//! transformers computes in float32 whatever the type of the weights (norms, softmax), so does this.

mod attention;
mod cache;
mod feed_forward;
mod linear;
mod norm;
mod rotary;

use bench_protocol::checkpoint::LlamaConfig;
use bench_protocol::{Failure, Spec};
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Int, Tensor, TensorData};

use crate::weights::Weights;
use attention::{Attention, Step, causal_mask};
use feed_forward::FeedForward;
use linear::Linear;
use norm::RmsNorm;
use rotary::Rotary;

/// What all layers are made from.
struct Parts<'a, B: Backend> {
    weights: &'a Weights,
    config: &'a LlamaConfig,
    device: &'a B::Device,
    dtype: DType,
    /// Tokens that the KV cache holds.
    capacity: usize,
}

/// One decoder layer.
struct Layer<B: Backend> {
    attention_norm: RmsNorm<B>,
    attention: Attention<B>,
    feed_forward_norm: RmsNorm<B>,
    feed_forward: FeedForward<B>,
}

impl<B: Backend> Layer<B> {
    fn load(parts: &Parts<'_, B>, index: usize) -> Result<Self, Failure> {
        let prefix = format!("model.layers.{index}");
        let norm = |name: &str| RmsNorm::load(parts, &format!("{prefix}.{name}"));
        Ok(Self {
            attention_norm: norm("input_layernorm")?,
            attention: Attention::load(parts, &format!("{prefix}.self_attn"))?,
            feed_forward_norm: norm("post_attention_layernorm")?,
            feed_forward: FeedForward::load(parts, &format!("{prefix}.mlp"))?,
        })
    }

    fn forward(&mut self, hidden: Tensor<B, 2>, step: &Step<B>) -> Tensor<B, 2> {
        let normed = self.attention_norm.forward(hidden.clone());
        let hidden = hidden + self.attention.forward(normed, step);
        let normed = self.feed_forward_norm.forward(hidden.clone());
        hidden + self.feed_forward.forward(normed)
    }
}

/// A loaded model with the cache of the sequence that it works on.
pub struct Llama<B: Backend> {
    embedding: Tensor<B, 2>,
    layers: Vec<Layer<B>>,
    norm: RmsNorm<B>,
    output: Linear<B>,
    rotary: Rotary<B>,
    device: B::Device,
    capacity: usize,
    /// Tokens in the cache.
    length: usize,
}

impl<B: Backend> Llama<B> {
    /// Load the weights onto a device.
    pub fn load(
        spec: &Spec,
        config: &LlamaConfig,
        weights: &Weights,
        device: B::Device,
        dtype: DType,
    ) -> Result<Self, Failure> {
        let parts = Parts::<B> {
            weights,
            config,
            device: &device,
            dtype,
            capacity: spec.max_seq_len,
        };
        let shape = [config.vocab_size, config.hidden_size];
        let embedding = weights.tensor("model.embed_tokens.weight", shape, &device, dtype)?;
        let output = if config.tie_word_embeddings {
            Linear::of(embedding.clone())
        } else {
            Linear::load(&parts, "lm_head", shape)?
        };
        let layers = (0..config.num_hidden_layers)
            .map(|index| Layer::load(&parts, index))
            .collect::<Result<_, _>>()?;
        let norm = RmsNorm::load(&parts, "model.norm")?;
        let rotary = Rotary::new(config, spec.max_seq_len, &device, dtype);
        Ok(Self {
            embedding,
            layers,
            norm,
            output,
            rotary,
            device,
            capacity: spec.max_seq_len,
            length: 0,
        })
    }

    /// Forget the sequence; the memory of the cache stays.
    pub fn reset(&mut self) {
        self.length = 0;
    }

    /// Logits that follow `ids`, the first of which stands at `position`. Reading them also waits
    /// for a GPU.
    pub fn logits(&mut self, ids: &[u32], position: usize) -> Result<Vec<f32>, Failure> {
        self.check(ids.len(), position)?;
        let count = ids.len();
        let step = Step {
            position,
            count,
            rotation: self.rotary.at(position, count),
            mask: causal_mask(position, count, &self.device),
        };
        let mut hidden = self.embedding.clone().select(0, self.indices(ids));
        for layer in &mut self.layers {
            hidden = layer.forward(hidden, &step);
        }
        self.length = position + count;
        let last = hidden.slice_dim(0, count - 1..count);
        let logits = self.output.forward(self.norm.forward(last));
        logits
            .try_into_data()
            .map_err(|error| crate::failure(&error))?
            .convert::<f32>()
            .into_vec()
            .map_err(|error| Failure::internal(format!("burn: {error:?}")))
    }

    /// Ids as a tensor. They lie below the vocabulary's size, which burn's signed type holds.
    fn indices(&self, ids: &[u32]) -> Tensor<B, 1, Int> {
        let data = TensorData::new(ids.to_vec(), [ids.len()]);
        Tensor::from_data(data, (&self.device, DType::I32))
    }

    /// Refuse tokens that do not follow those in the cache or that it cannot hold.
    fn check(&self, count: usize, position: usize) -> Result<(), Failure> {
        if count == 0 || position != self.length || position + count > self.capacity {
            return Err(Failure::internal(format!(
                "{count} tokens at position {position}: the cache holds {} of {}",
                self.length, self.capacity
            )));
        }
        Ok(())
    }
}
