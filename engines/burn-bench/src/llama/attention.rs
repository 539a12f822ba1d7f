//! Grouped-query attention.

use std::ops::Range;

use bench_protocol::Failure;
use burn_tensor::activation::softmax;
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor, TensorData};

use super::Parts;
use super::cache::Cache;
use super::linear::Linear;
use super::rotary::Rotation;

/// Tokens of one sequence in a forward pass: what all layers share.
pub struct Segment<B: Backend> {
    /// Place of the sequence.
    pub place: usize,
    /// Where its tokens stand among those of all.
    pub rows: Range<usize>,
    /// Position of the first of them in the sequence.
    pub position: usize,
    /// Their rotary embedding.
    pub rotation: Rotation<B>,
    /// See [`causal_mask`].
    pub mask: Option<Tensor<B, 2>>,
}

/// Self-attention with its part of the KV caches.
pub struct Attention<B: Backend> {
    query: Linear<B>,
    key: Linear<B>,
    value: Linear<B>,
    output: Linear<B>,
    /// Keys and values of the sequence at each place.
    caches: Vec<(Cache<B>, Cache<B>)>,
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
            caches: (0..parts.places).map(|_| (cache(), cache())).collect(),
            heads,
            kv_heads,
            head_dim,
            dtype: parts.dtype,
        })
    }

    /// From and to [tokens, width]. Each sequence sees its own keys and values.
    pub fn forward(&mut self, hidden: Tensor<B, 2>, segments: &[Segment<B>]) -> Tensor<B, 2> {
        let query = self.query.forward(hidden.clone());
        let key = self.key.forward(hidden.clone());
        let value = self.value.forward(hidden);
        let joined = if let [only] = segments {
            self.attend(query, key, value, only)
        } else {
            let each = segments.iter().map(|segment| {
                let of = |all: &Tensor<B, 2>| all.clone().slice_dim(0, segment.rows.clone());
                self.attend(of(&query), of(&key), of(&value), segment)
            });
            Tensor::cat(each.collect(), 0)
        };
        self.output.forward(joined)
    }

    /// What one sequence's tokens mix of its values, [tokens, heads x head width].
    fn attend(
        &mut self,
        query: Tensor<B, 2>,
        key: Tensor<B, 2>,
        value: Tensor<B, 2>,
        segment: &Segment<B>,
    ) -> Tensor<B, 2> {
        let (count, head_dim) = (segment.rows.len(), self.head_dim);
        let split = |projected: Tensor<B, 2>, heads: usize| {
            let parted = projected.reshape([count, heads, head_dim]);
            parted.swap_dims(0, 1)
        };
        let query = split(query, self.heads);
        let key = split(key, self.kv_heads);
        let value = split(value, self.kv_heads);

        let (keys, values) = &mut self.caches[segment.place];
        let keys = keys.extend(segment.position, segment.rotation.apply(key));
        let values = values.extend(segment.position, value);
        // The query heads that share a head of keys lie side by side: as more rows of one product
        // they need no copies of it.
        let rows = self.heads / self.kv_heads * count;
        let query = segment.rotation.apply(query);
        let scores = query
            .reshape([self.kv_heads, rows, head_dim])
            .matmul(keys.swap_dims(1, 2));
        let mixed = self.weigh(scores, segment).matmul(values);
        mixed
            .reshape([self.heads, count, head_dim])
            .swap_dims(0, 1)
            .reshape([count, self.heads * head_dim])
    }

    /// Softmax of the scaled scores [kv heads, rows, tokens so far], in float32.
    fn weigh(&self, scores: Tensor<B, 3>, segment: &Segment<B>) -> Tensor<B, 3> {
        let scale = 1.0 / (self.head_dim as f32).sqrt();
        let shape = scores.dims();
        let mut scores = scores.cast(DType::F32).mul_scalar(scale);
        if let Some(mask) = &segment.mask {
            // One row a head, as in the rotation.
            let rows = [self.heads, segment.rows.len() * shape[2]];
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
