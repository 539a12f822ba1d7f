//! Rotary position embedding.

use std::f32::consts::TAU;

use bench_protocol::checkpoint::{Llama3Scaling, LlamaConfig};
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor, TensorData};

/// Cosine and sine of every position and pair, [capacity, head width].
pub struct Rotary<B: Backend> {
    cosine: Tensor<B, 2>,
    /// Negative in the first half.
    sine: Tensor<B, 2>,
}

/// The rows of some positions, each as one row of [1, tokens x head width].
pub struct Rotation<B: Backend> {
    cosine: Tensor<B, 2>,
    sine: Tensor<B, 2>,
}

impl<B: Backend> Rotary<B> {
    /// Tables for `capacity` positions, computed in float32 as transformers does.
    pub fn new(config: &LlamaConfig, capacity: usize, device: &B::Device, dtype: DType) -> Self {
        let frequencies = frequencies(config);
        let mut cosine = Vec::with_capacity(capacity * config.head_dim);
        let mut sine = Vec::with_capacity(capacity * config.head_dim);
        for position in 0..capacity {
            for sign in [-1.0, 1.0] {
                for frequency in &frequencies {
                    let angle = position as f32 * frequency;
                    cosine.push(angle.cos());
                    sine.push(sign * angle.sin());
                }
            }
        }
        let table = |values: Vec<f32>| {
            let data = TensorData::new(values, [capacity, config.head_dim]);
            Tensor::from_data(data, (device, dtype))
        };
        Self {
            cosine: table(cosine),
            sine: table(sine),
        }
    }

    /// Rotation of `count` tokens from `position`.
    pub fn at(&self, position: usize, count: usize) -> Rotation<B> {
        let rows = |table: &Tensor<B, 2>| {
            let width = table.dims()[1];
            let rows = table.clone().slice_dim(0, position..position + count);
            rows.reshape([1, count * width])
        };
        Rotation {
            cosine: rows(&self.cosine),
            sine: rows(&self.sine),
        }
    }
}

impl<B: Backend> Rotation<B> {
    /// Rotate [heads, tokens, head width]. Element i of the first half and element i of the second
    /// are a pair, as in transformers' `rotate_half`; Meta's own files pair neighbours.
    pub fn apply(&self, input: Tensor<B, 3>) -> Tensor<B, 3> {
        let [heads, count, width] = input.dims();
        let half = width / 2;
        let first = input.clone().slice([0..heads, 0..count, 0..half]);
        let second = input.clone().slice([0..heads, 0..count, half..width]);
        let swapped = Tensor::cat(vec![second, first], 2);
        // One row a head: burn's fast path for a row that all rows share.
        let rows = |tensor: Tensor<B, 3>| tensor.reshape([heads, count * width]);
        let rotated = rows(input) * self.cosine.clone() + rows(swapped) * self.sine.clone();
        rotated.reshape([heads, count, width])
    }
}

/// Radians a position of each pair.
fn frequencies(config: &LlamaConfig) -> Vec<f32> {
    (0..config.head_dim)
        .step_by(2)
        .map(|index| {
            let exponent = index as f32 / config.head_dim as f32;
            let plain = 1.0 / config.rope_theta.powf(exponent);
            config
                .rope_scaling
                .map_or(plain, |scaling| scaled(plain, &scaling))
        })
        .collect()
}

/// Llama 3's scaling: transformers' `_compute_llama3_parameters`.
fn scaled(frequency: f32, scaling: &Llama3Scaling) -> f32 {
    let context = scaling.original_max_position_embeddings as f32;
    let wavelength = TAU / frequency;
    if wavelength > context / scaling.low_freq_factor {
        return frequency / scaling.factor;
    }
    if wavelength < context / scaling.high_freq_factor {
        return frequency;
    }
    let smooth = (context / wavelength - scaling.low_freq_factor)
        / (scaling.high_freq_factor - scaling.low_freq_factor);
    (1.0 - smooth) * frequency / scaling.factor + smooth * frequency
}
