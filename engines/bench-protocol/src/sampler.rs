//! Choice of a token from logits, as docs/protocol.md defines it.

use crate::failure::Failure;
use crate::spec::Sampling;

/// Lanes of [`maximum`]: two 256-bit registers of f32, which hides the latency of the comparison.
const LANES: usize = 16;

/// Increment and multipliers of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
/// number generators", OOPSLA 2014). Streams of neighbouring seeds are unrelated, which
/// `seed + n` for round `n` relies on.
const SPLITMIX_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
const SPLITMIX_MULTIPLIERS: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// Bits of an f64's significand: a draw of so many random bits is uniform on [0, 1).
const F64_SIGNIFICAND_BITS: u32 = 53;

/// Seeded sampler; keep one per engine, so that its memory is allocated in the warm-up.
#[derive(Debug, Default)]
pub struct Sampler {
    state: u64,
    weights: Vec<f32>,
    nucleus: Vec<u32>,
}

impl Sampler {
    /// Begin the stream of random numbers that belongs to `seed`.
    pub fn restart(&mut self, seed: u64) {
        self.state = seed;
    }

    /// Where the stream stands: [`Self::restart`] with it goes on from here.
    pub(crate) fn stream(&self) -> u64 {
        self.state
    }

    /// Id of the next token.
    ///
    /// # Errors
    /// [`Failure::internal`] where no logit is a number.
    pub fn choose(&mut self, logits: &[f32], sampling: &Sampling) -> Result<u32, Failure> {
        let best = maximum(logits);
        let first = logits
            .iter()
            .position(|&logit| logit == best)
            .filter(|_| best.is_finite())
            .ok_or_else(|| {
                Failure::internal(format!("the highest of {} logits is {best}", logits.len()))
            })?;
        if sampling.is_greedy() {
            return Ok(first as u32);
        }
        let total = self.weigh(logits, best, sampling.temperature);
        let draw = self.uniform();
        Ok(if sampling.top_p < 1.0 {
            self.draw_from_nucleus(sampling.top_p * total, total, draw)
        } else {
            let ids = 0..self.weights.len() as u32;
            draw_from(ids, &self.weights, draw * total)
        })
    }

    /// Fill `weights` with the softmax before its division by the sum, which is returned.
    fn weigh(&mut self, logits: &[f32], best: f32, temperature: f64) -> f64 {
        // Kept above 0, so that the best logit's own 0 / temperature stays 0.
        let temperature = (temperature as f32).max(f32::MIN_POSITIVE);
        self.weights.clear();
        self.weights.extend(
            logits
                .iter()
                .map(|logit| ((logit - best) / temperature).exp()),
        );
        self.weights.iter().copied().map(f64::from).sum()
    }

    /// Draw from the smallest set of tokens whose weights reach `wanted` of `total`.
    fn draw_from_nucleus(&mut self, wanted: f64, total: f64, draw: f64) -> u32 {
        // A token below this weight cannot be in the set: the tokens outside it weigh at most
        // total - wanted, there are at most n - 1 of them, and each weighs no more than any
        // inside. Only a handful is left to sort. The best token (weight 1) always is.
        let others = (self.weights.len().max(2) - 1) as f64;
        let least = (((total - wanted) / others) as f32).min(1.0);
        let weights = &self.weights;
        let is_candidate = |id: &u32| weights[*id as usize] >= least;
        self.nucleus.clear();
        self.nucleus
            .extend((0..weights.len() as u32).filter(is_candidate));
        self.nucleus.sort_unstable_by(|&one, &other| {
            let by_weight = weights[other as usize].total_cmp(&weights[one as usize]);
            by_weight.then(one.cmp(&other))
        });
        let mut reached = 0.0;
        let mut size = 0;
        for &id in &self.nucleus {
            reached += f64::from(weights[id as usize]);
            size += 1;
            if reached >= wanted {
                break;
            }
        }
        draw_from(
            self.nucleus[..size].iter().copied(),
            weights,
            draw * reached,
        )
    }

    /// Next number of the stream, uniform on [0, 1).
    fn uniform(&mut self) -> f64 {
        let bits = self.next() >> (u64::BITS - F64_SIGNIFICAND_BITS);
        bits as f64 / (1_u64 << F64_SIGNIFICAND_BITS) as f64
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(SPLITMIX_GAMMA);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(SPLITMIX_MULTIPLIERS[0]);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(SPLITMIX_MULTIPLIERS[1]);
        mixed ^ (mixed >> 31)
    }
}

/// First id at which the running sum of weights passes `point`; the last one with any weight
/// where rounding keeps the sum below it.
fn draw_from(ids: impl Iterator<Item = u32>, weights: &[f32], point: f64) -> u32 {
    let mut sum = 0.0;
    let mut last = 0;
    for id in ids {
        let weight = weights[id as usize];
        if weight > 0.0 {
            sum += f64::from(weight);
            last = id;
            if sum > point {
                break;
            }
        }
    }
    last
}

/// Highest of the numbers, NaN left out; minus infinity where there is none. In lanes, since a
/// plain fold is not vectorised and would cost a GPU's step a measurable part.
fn maximum(logits: &[f32]) -> f32 {
    let higher = |one: f32, other: f32| if other > one { other } else { one };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = logits.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = higher(*lane, logit);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, higher)
}

/// Highest logit minus the second highest; 0 where two are equal or there is only one.
pub(crate) fn margin(logits: &[f32]) -> f32 {
    let (mut best, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for &logit in logits {
        if logit > best {
            second = best;
            best = logit;
        } else if logit > second {
            second = logit;
        }
    }
    let margin = best - second;
    if margin.is_finite() { margin } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREEDY: Sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
    };

    fn with(temperature: f64, top_p: f64) -> Sampling {
        Sampling {
            temperature,
            top_p,
            seed: 0,
        }
    }

    fn drawn(logits: &[f32], sampling: &Sampling, seed: u64, count: usize) -> Vec<u32> {
        let mut sampler = Sampler::default();
        sampler.restart(seed);
        (0..count)
            .map(|_| sampler.choose(logits, sampling).unwrap())
            .collect()
    }

    #[test]
    fn greedy_takes_the_lowest_id_among_equals() {
        let mut logits = vec![0.0_f32; 100];
        (logits[40], logits[7], logits[99]) = (3.5, 3.5, 3.5);
        assert_eq!(drawn(&logits, &GREEDY, 0, 1), [7]);
    }

    #[test]
    fn greedy_finds_the_highest_in_every_position() {
        for length in [1, 2, 15, 16, 17, 33] {
            for wanted in 0..length {
                let mut logits = vec![-5.0_f32; length];
                logits[wanted] = -4.0;
                assert_eq!(drawn(&logits, &GREEDY, 0, 1), [wanted as u32]);
            }
        }
    }

    #[test]
    fn a_not_a_number_is_never_chosen() {
        assert_eq!(drawn(&[f32::NAN, 1.0, f32::NAN, 2.0], &GREEDY, 0, 1), [3]);
    }

    #[test]
    fn logits_without_a_finite_highest_are_a_failure() {
        for logits in [
            vec![],
            vec![f32::NAN; 20],
            vec![f32::NEG_INFINITY; 3],
            vec![f32::INFINITY],
        ] {
            assert!(Sampler::default().choose(&logits, &GREEDY).is_err());
        }
    }

    #[test]
    fn the_stream_is_splitmix64() {
        // The first numbers for this seed as published with other implementations.
        let mut sampler = Sampler::default();
        sampler.restart(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| sampler.next()).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_seed_repeats_its_draws_and_another_gives_others() {
        let logits: Vec<f32> = (0..50).map(|id| (id % 7) as f32 / 3.0).collect();
        let sampling = with(1.0, 0.9);
        assert_eq!(
            drawn(&logits, &sampling, 5, 40),
            drawn(&logits, &sampling, 5, 40)
        );
        assert_ne!(
            drawn(&logits, &sampling, 5, 40),
            drawn(&logits, &sampling, 6, 40)
        );
    }

    #[test]
    fn draws_follow_the_softmax_over_temperature() {
        // Weights 1 : 2 : 4 at temperature 1, 1 : 4 : 16 at 0.5.
        let logits: Vec<f32> = [1.0_f32, 2.0, 4.0]
            .iter()
            .map(|weight| weight.ln())
            .collect();
        for (temperature, shares) in [
            (1.0, [1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0]),
            (0.5, [1.0 / 21.0, 4.0 / 21.0, 16.0 / 21.0]),
        ] {
            let ids = drawn(&logits, &with(temperature, 1.0), 3, 30_000);
            for (id, share) in shares.into_iter().enumerate() {
                let seen = ids.iter().filter(|&&drawn| drawn == id as u32).count();
                // Four standard deviations of a share are below 0.012 here.
                assert!(
                    (seen as f64 / 30_000.0 - share).abs() < 0.012,
                    "{temperature} {id}"
                );
            }
        }
    }

    #[test]
    fn the_nucleus_is_the_smallest_set_that_reaches_top_p() {
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let logits: Vec<f32> = [0.25_f32, 0.125, 0.5, 0.125]
            .iter()
            .map(|weight| weight.ln())
            .collect();
        for (top_p, wanted) in [
            (0.3, vec![2]),
            (0.51, vec![0, 2]),
            (0.8, vec![0, 1, 2]),
            (0.9, vec![0, 1, 2, 3]),
            (1e-9, vec![2]),
        ] {
            let mut seen = drawn(&logits, &with(1.0, top_p), 11, 2_000);
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, wanted, "top_p {top_p}");
        }
    }

    #[test]
    fn a_nucleus_of_equals_keeps_their_order() {
        assert_eq!(drawn(&[0.0; 64], &with(1.0, 0.001), 0, 5), [0; 5]);
        assert_eq!(drawn(&[0.0], &with(1.0, 0.5), 0, 1), [0]);
    }

    #[test]
    fn a_tiny_temperature_is_greedy() {
        let logits = [1.0, 1.001, 0.5];
        for temperature in [1e-7, 1e-300] {
            assert_eq!(drawn(&logits, &with(temperature, 1.0), 9, 20), [1; 20]);
        }
    }

    #[test]
    fn tokens_without_weight_are_never_drawn() {
        let logits = [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY];
        assert_eq!(drawn(&logits, &with(1.0, 1.0), 2, 50), [1; 50]);
        assert_eq!(draw_from(0..3, &[0.0, 1.0, 0.0], 1.0), 1);
    }

    #[test]
    fn margins_are_highest_minus_second() {
        assert_eq!(margin(&[1.0, 4.0, 2.5]), 1.5);
        assert_eq!(margin(&[4.0, 4.0]), 0.0);
        assert_eq!(margin(&[4.0]), 0.0);
    }
}
