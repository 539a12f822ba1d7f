//! A Llama on burn's tensors: transformers' `modeling_llama.py` for one sequence, or for several of
//! their own lengths in one step.
//!
//! Hidden states have the shape [tokens, width], the tokens of one sequence after those of the other,
//! so that a product with a matrix is one for all; heads have [heads, tokens, head width]. Where
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
use attention::{Attention, Segment, causal_mask};
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
    /// Tokens of a sequence that the KV cache holds.
    capacity: usize,
    /// Sequences that it holds.
    places: usize,
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

    fn forward(&mut self, hidden: Tensor<B, 2>, segments: &[Segment<B>]) -> Tensor<B, 2> {
        let normed = self.attention_norm.forward(hidden.clone());
        let hidden = hidden + self.attention.forward(normed, segments);
        let normed = self.feed_forward_norm.forward(hidden.clone());
        hidden + self.feed_forward.forward(normed)
    }
}

/// A loaded model with the caches of the sequences that it works on.
pub struct Llama<B: Backend> {
    embedding: Tensor<B, 2>,
    layers: Vec<Layer<B>>,
    norm: RmsNorm<B>,
    output: Linear<B>,
    rotary: Rotary<B>,
    device: B::Device,
    capacity: usize,
    /// Tokens of the sequence at each place.
    lengths: Vec<usize>,
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
            places: spec.places(),
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
            lengths: vec![0; spec.places()],
        })
    }

    /// Forget all sequences; the memory of the caches stays.
    pub fn reset(&mut self) {
        self.lengths.fill(0);
    }

    /// Forget the sequence at a place.
    pub fn release(&mut self, place: usize) {
        self.lengths[place] = 0;
    }

    /// Logits that follow ids which are put behind the sequences at these places, one row after the
    /// other. Reading them also waits for a GPU.
    pub fn logits(&mut self, sequences: &[(usize, &[u32])]) -> Result<Vec<f32>, Failure> {
        let mut segments = Vec::with_capacity(sequences.len());
        let mut ids = Vec::new();
        for &(place, new) in sequences {
            self.check(place, new.len())?;
            let (position, count) = (self.lengths[place], new.len());
            segments.push(Segment {
                place,
                rows: ids.len()..ids.len() + count,
                position,
                rotation: self.rotary.at(position, count),
                mask: causal_mask(position, count, &self.device),
            });
            ids.extend_from_slice(new);
            self.lengths[place] += count;
        }
        let mut hidden = self.embedding.clone().select(0, self.indices(&ids));
        for layer in &mut self.layers {
            hidden = layer.forward(hidden, &segments);
        }
        let last = if let [only] = segments.as_slice() {
            hidden.slice_dim(0, only.rows.end - 1..only.rows.end)
        } else {
            let last = segments.iter().map(|segment| segment.rows.end as u32 - 1);
            hidden.select(0, self.indices(&last.collect::<Vec<_>>()))
        };
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

    /// Refuse tokens that the cache cannot hold.
    fn check(&self, place: usize, count: usize) -> Result<(), Failure> {
        let Some(&held) = self.lengths.get(place) else {
            let places = self.lengths.len();
            return Err(Failure::internal(format!("place {place} of {places}")));
        };
        if count == 0 || held + count > self.capacity {
            let capacity = self.capacity;
            return Err(Failure::internal(format!(
                "{count} tokens more: the cache holds {held} of {capacity}"
            )));
        }
        Ok(())
    }
}
