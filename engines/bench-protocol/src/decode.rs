//! The decode loop of an engine that turns ids into logits.

use crate::failure::Failure;
use crate::sampler::{Sampler, margin};
use crate::spec::Case;
use crate::timings::Timings;

/// Generate one case. `forward` takes ids and the position of the first of them, and returns the
/// logits that follow the last; it sees the whole prompt first, then one id at a time: the one that
/// was chosen, or the case's forced one.
///
/// # Errors
/// Those of `forward`, and logits without a number.
pub fn decode<F>(
    case: &Case,
    seed: u64,
    sampler: &mut Sampler,
    timings: &mut Timings,
    mut forward: F,
) -> Result<(), Failure>
where
    F: FnMut(&[u32], usize) -> Result<Vec<f32>, Failure>,
{
    sampler.restart(seed);
    let mut logits = forward(&case.prompt_ids, 0)?;
    let mut position = case.prompt_ids.len();
    loop {
        let id = sampler.choose(&logits, &case.sampling)?;
        timings.push(id);
        if timings.wants_margins() {
            timings.push_margin(margin(&logits));
        }
        timings.push_logits(&logits);
        let step = timings.token_ids().len() - 1;
        if step + 1 == case.max_new_tokens || case.ends_with(id) {
            return Ok(());
        }
        logits = forward(&[case.fed(step, id)], position)?;
        position += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Sampling;

    fn case(ignore_eos: bool, temperature: f64) -> Case {
        Case {
            prompt_ids: vec![3, 1],
            max_new_tokens: 4,
            ignore_eos,
            eos_ids: vec![4],
            sampling: Sampling {
                temperature,
                top_p: 1.0,
                seed: 0,
            },
            forced_ids: None,
            load: None,
            prompts: vec![],
            max_new_tokens_each: vec![],
        }
    }

    /// A model whose next id is the last one plus its position, and its calls.
    fn generate(case: &Case, seed: u64) -> (Vec<u32>, Vec<(Vec<u32>, usize)>) {
        let mut timings = Timings::new(4, false);
        let mut calls = vec![];
        decode(
            case,
            seed,
            &mut Sampler::default(),
            &mut timings,
            |ids, position| {
                calls.push((ids.to_vec(), position));
                let mut logits = vec![0.0; 10];
                logits[(ids[ids.len() - 1] as usize + position) % 10] = 1.0;
                Ok(logits)
            },
        )
        .unwrap();
        (timings.token_ids().to_vec(), calls)
    }

    #[test]
    fn each_id_goes_back_in_at_its_position() {
        let (ids, calls) = generate(&case(true, 0.0), 0);
        assert_eq!(ids, [1, 3, 6, 0]);
        assert_eq!(
            calls,
            [(vec![3, 1], 0), (vec![1], 2), (vec![3], 3), (vec![6], 4)]
        );
    }

    #[test]
    fn an_end_of_sequence_id_is_the_last_one_reported() {
        let mut case = case(false, 0.0);
        case.eos_ids = vec![9, 3];
        assert_eq!(generate(&case, 0).0, [1, 3]);
        case.ignore_eos = true;
        assert_eq!(generate(&case, 0).0, [1, 3, 6, 0]);
    }

    #[test]
    fn forced_ids_go_in_and_the_chosen_ones_are_reported() {
        let mut case = case(true, 0.0);
        case.forced_ids = Some(vec![7, 8, 9, 0]);
        let (ids, calls) = generate(&case, 0);
        assert_eq!(ids, [1, 9, 1, 3]);
        assert_eq!(
            calls,
            [(vec![3, 1], 0), (vec![7], 2), (vec![8], 3), (vec![9], 4)]
        );
    }

    #[test]
    fn the_seed_determines_the_draws() {
        let case = case(true, 5.0);
        assert_eq!(generate(&case, 1), generate(&case, 1));
        assert_ne!(generate(&case, 1).0, generate(&case, 2).0);
    }

    #[test]
    fn margins_come_one_a_token() {
        let mut timings = Timings::new(4, true);
        decode(
            &case(true, 0.0),
            0,
            &mut Sampler::default(),
            &mut timings,
            |_, _| Ok(vec![0.5, 2.0]),
        )
        .unwrap();
        assert_eq!(timings.margins(), Some([1.5; 4].as_slice()));
    }

    #[test]
    fn logits_come_one_set_a_token() {
        let mut timings = Timings::new(4, false).with_logits();
        decode(
            &case(true, 0.0),
            0,
            &mut Sampler::default(),
            &mut timings,
            |_, position| Ok(vec![position as f32, 9.0]),
        )
        .unwrap();
        let wanted = [0.0, 9.0, 2.0, 9.0, 3.0, 9.0, 4.0, 9.0];
        assert_eq!(timings.logits(), Some(wanted.as_slice()));
    }

    #[test]
    fn a_failing_forward_ends_the_loop() {
        let mut timings = Timings::new(4, false);
        let failed = decode(
            &case(true, 0.0),
            0,
            &mut Sampler::default(),
            &mut timings,
            |_, position| {
                if position == 0 {
                    Ok(vec![1.0])
                } else {
                    Err(Failure::internal("broken"))
                }
            },
        );
        assert_eq!(failed, Err(Failure::internal("broken")));
        assert_eq!(timings.token_ids(), [0]);
    }
}
