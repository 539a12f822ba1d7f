//! The tiny model's logits by plain loops in float64, from the formulas of transformers'
//! `modeling_llama.py` and `modeling_rope_utils.py`, with none of an engine's code.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use super::tiny_model::{FEED_FORWARD, HEADS, HIDDEN, KV_HEADS, LAYERS, Tensor, TinyModel};

const EPSILON: f64 = 1e-5;
const THETA: f64 = 10_000.0;

impl TinyModel {
    /// Logits after the last of `ids`.
    #[must_use]
    pub fn logits(&self, ids: &[u32]) -> Vec<f64> {
        let weights = self.tensors();
        let embedding = &weights["model.embed_tokens.weight"];
        let mut hidden: Vec<Vec<f64>> = ids
            .iter()
            .map(|&id| row(embedding, id as usize, HIDDEN))
            .collect();
        for layer in 0..LAYERS {
            let named = |part: &str| &weights[&format!("model.layers.{layer}.{part}.weight")];
            let normed: Vec<_> = hidden
                .iter()
                .map(|x| rms_norm(x, named("input_layernorm")))
                .collect();
            for (x, added) in hidden.iter_mut().zip(self.attention(&normed, named)) {
                add(x, &added);
                let normed = rms_norm(x, named("post_attention_layernorm"));
                let gate = product(named("mlp.gate_proj"), &normed);
                let up = product(named("mlp.up_proj"), &normed);
                let inner: Vec<f64> = (0..FEED_FORWARD)
                    .map(|i| gate[i] / (1.0 + (-gate[i]).exp()) * up[i])
                    .collect();
                add(x, &product(named("mlp.down_proj"), &inner));
            }
        }
        let last = rms_norm(hidden.last().unwrap(), &weights["model.norm.weight"]);
        product(self.output(&weights), &last)
    }

    fn output<'a>(&self, weights: &'a BTreeMap<String, Tensor>) -> &'a Tensor {
        let name = if self.is_tied {
            "model.embed_tokens.weight"
        } else {
            "lm_head.weight"
        };
        &weights[name]
    }

    /// What attention gives at each position, from the normed hidden states.
    fn attention<'a>(
        &self,
        normed: &[Vec<f64>],
        named: impl Fn(&str) -> &'a Tensor,
    ) -> Vec<Vec<f64>> {
        let width = self.head_dim;
        let project = |part: &str, heads: usize, is_rotated: bool| -> Vec<Vec<Vec<f64>>> {
            let at = |(position, x): (usize, &Vec<f64>)| {
                let all = product(named(part), x);
                (0..heads)
                    .map(|head| {
                        let one = &all[head * width..(head + 1) * width];
                        if is_rotated {
                            self.rotate(one, position)
                        } else {
                            one.to_vec()
                        }
                    })
                    .collect()
            };
            normed.iter().enumerate().map(at).collect()
        };
        let queries = project("self_attn.q_proj", HEADS, true);
        let keys = project("self_attn.k_proj", KV_HEADS, true);
        let values = project("self_attn.v_proj", KV_HEADS, false);
        (0..normed.len())
            .map(|position| {
                let mut joined = Vec::new();
                for (head, query) in queries[position].iter().enumerate() {
                    let group = head / (HEADS / KV_HEADS);
                    let scores: Vec<f64> = (0..=position)
                        .map(|past| dot(query, &keys[past][group]) / (width as f64).sqrt())
                        .map(f64::exp)
                        .collect();
                    let total: f64 = scores.iter().sum();
                    joined.extend((0..width).map(|i| {
                        let weighted = |past: usize| scores[past] / total * values[past][group][i];
                        (0..=position).map(weighted).sum::<f64>()
                    }));
                }
                product(named("self_attn.o_proj"), &joined)
            })
            .collect()
    }

    /// Rotary embedding that pairs each element of the first half with one of the second.
    fn rotate(&self, x: &[f64], position: usize) -> Vec<f64> {
        let half = self.head_dim / 2;
        let mut rotated = vec![0.0; self.head_dim];
        for i in 0..half {
            let angle = position as f64 * self.frequency(i);
            rotated[i] = x[i] * angle.cos() - x[i + half] * angle.sin();
            rotated[i + half] = x[i + half] * angle.cos() + x[i] * angle.sin();
        }
        rotated
    }

    /// Radians a position of the pair `i`; factor 8, 1 to 4 periods in a context of 64.
    fn frequency(&self, i: usize) -> f64 {
        let plain = THETA.powf(-((2 * i) as f64) / self.head_dim as f64);
        if !self.has_llama3_scaling {
            return plain;
        }
        let periods = 64.0 * plain / TAU;
        let kept = ((periods - 1.0) / (4.0 - 1.0)).clamp(0.0, 1.0);
        plain / 8.0 * (1.0 - kept) + plain * kept
    }
}

fn row((_, values): &Tensor, index: usize, width: usize) -> Vec<f64> {
    let row = &values[index * width..(index + 1) * width];
    row.iter().map(|&value| f64::from(value)).collect()
}

/// A matrix of shape [out, in] times a vector.
fn product(matrix: &Tensor, x: &[f64]) -> Vec<f64> {
    (0..matrix.0[0])
        .map(|out| dot(&row(matrix, out, x.len()), x))
        .collect()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn add(x: &mut [f64], added: &[f64]) {
    for (x, added) in x.iter_mut().zip(added) {
        *x += added;
    }
}

fn rms_norm(x: &[f64], weight: &Tensor) -> Vec<f64> {
    let mean_square = dot(x, x) / x.len() as f64;
    row(weight, 0, x.len())
        .iter()
        .zip(x)
        .map(|(weight, x)| weight * x / (mean_square + EPSILON).sqrt())
        .collect()
}
