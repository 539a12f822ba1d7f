//! Grouped-query attention.

use bench_protocol::Failure;
use burn_tensor::activation::softmax;
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor, TensorData};

use super::Parts;
use super::cache::Cache;
use super::linear::Linear;
use super::rotary::Rotation;

/// What all layers of one forward pass share.
pub struct Step<B: Backend> {
    /// Place of the first token.
    pub position: usize,
    /// Tokens.
    pub count: usize,
    /// Their rotary embedding.
    pub rotation: Rotation<B>,
    /// See [`causal_mask`].
    pub mask: Option<Tensor<B, 2>>,
}

/// Self-attention with its part of the KV cache.
pub struct Attention<B: Backend> {
    query: Linear<B>,
    key: Linear<B>,
    value: Linear<B>,
    output: Linear<B>,
    keys: Cache<B>,
    values: Cache<B>,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    dtype: DType,
}

impl<B: Backend> Attention<B> {
    /// Load the four matrices under `prefix`.
    pub fn load(parts: &Parts<'_, B>, prefix: &str) -> Result<Self, Failure> {
        let (heads, kv_heads) = (
            parts.config.num_attention_heads,
            parts.config.num_key_value_heads,
        );
        let (width, head_dim) = (parts.config.hidden_size, parts.config.head_dim);
        let load = |name: &str, shape| Linear::load(parts, &format!("{prefix}.{name}"), shape);
        let cache = || {
            let shape = [kv_heads, parts.capacity, head_dim];
            Cache::new(shape, parts.device, parts.dtype)
        };
        Ok(Self {
            query: load("q_proj", [heads * head_dim, width])?,
            key: load("k_proj", [kv_heads * head_dim, width])?,
            value: load("v_proj", [kv_heads * head_dim, width])?,
            output: load("o_proj", [width, heads * head_dim])?,
            keys: cache(),
            values: cache(),
            heads,
            kv_heads,
            head_dim,
            dtype: parts.dtype,
        })
    }

    /// From and to [tokens, width].
    pub fn forward(&mut self, hidden: Tensor<B, 2>, step: &Step<B>) -> Tensor<B, 2> {
        let (count, head_dim) = (step.count, self.head_dim);
        let split = |projected: Tensor<B, 2>, heads: usize| {
            let parted = projected.reshape([count, heads, head_dim]);
            parted.swap_dims(0, 1)
        };
        let query = split(self.query.forward(hidden.clone()), self.heads);
        let key = split(self.key.forward(hidden.clone()), self.kv_heads);
        let value = split(self.value.forward(hidden), self.kv_heads);

        let keys = self.keys.extend(step.position, step.rotation.apply(key));
        let values = self.values.extend(step.position, value);
        // The query heads that share a head of keys lie side by side: as more rows of one product
        // they need no copies of it.
        let rows = self.heads / self.kv_heads * count;
        let query = step.rotation.apply(query);
        let scores = query
            .reshape([self.kv_heads, rows, head_dim])
            .matmul(keys.swap_dims(1, 2));
        let mixed = self.weigh(scores, step).matmul(values);
        let joined = mixed
            .reshape([self.heads, count, head_dim])
            .swap_dims(0, 1)
            .reshape([count, self.heads * head_dim]);
        self.output.forward(joined)
    }

    /// Softmax of the scaled scores [kv heads, rows, tokens so far], in float32.
    fn weigh(&self, scores: Tensor<B, 3>, step: &Step<B>) -> Tensor<B, 3> {
        let scale = 1.0 / (self.head_dim as f32).sqrt();
        let shape = scores.dims();
        let mut scores = scores.cast(DType::F32).mul_scalar(scale);
        if let Some(mask) = &step.mask {
            // One row a head, as in the rotation.
            let rows = [self.heads, step.count * shape[2]];
            scores = (scores.reshape(rows) + mask.clone()).reshape(shape);
        }
        softmax(scores, 2).cast(self.dtype)
    }
}

/// What keeps each of `count` tokens from seeing those after it, added to the scores of a head:
/// 0 or minus infinity, [1, tokens x tokens so far]. One token alone sees all.
pub fn causal_mask<B: Backend>(
    position: usize,
    count: usize,
    device: &B::Device,
) -> Option<Tensor<B, 2>> {
    if count == 1 {
        return None;
    }
    let total = position + count;
    let mask = (0..count)
        .flat_map(|row| {
            (0..total).map(move |column| {
                if column <= position + row {
                    0.0
                } else {
                    f32::NEG_INFINITY
                }
            })
        })
        .collect();
    let data = TensorData::new::<f32, _>(mask, [1, count * total]);
    Some(Tensor::from_data(data, (device, DType::F32)))
}
