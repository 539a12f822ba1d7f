//! Conversations on an engine and a clock whose times are known.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::tests::{closed, level, ran, times};
use crate::spec::Case;

/// Two places with conversations of three turns; the answers have 1, 2 and 3 tokens.
fn talks(prompts: usize, more: &Value) -> Case {
    let mut case = level(&json!({
        "mode": "closed", "concurrency": 2, "turns": 3, "think_seconds": 4e-8, "requests": 12,
        "warmup_requests": 6
    }));
    case.prompts = (0..prompts)
        .map(|number| vec![1, 10 + number as u32 % 20])
        .collect();
    case.max_new_tokens_each = (0..prompts).map(|number| 1 + number % 3).collect();
    if let (Some(load), Some(seconds)) = (&mut case.load, more["duration_seconds"].as_f64()) {
        (load.requests, load.duration_seconds) = (None, Some(seconds));
    }
    case
}

fn by_prompt(requests: &[Value]) -> BTreeMap<u64, &Value> {
    let prompt = |request: &Value| request["prompt"].as_u64().unwrap();
    let found: BTreeMap<_, _> = requests.iter().map(|one| (prompt(one), one)).collect();
    assert_eq!(found.len(), requests.len(), "a turn was sent twice");
    found
}

#[test]
fn turns_come_a_pause_after_the_answers_before_them() {
    for is_static in [false, true] {
        let (requests, stage, _) = ran(&talks(60, &json!({})), is_static);
        let firsts: Vec<_> = requests[..2].iter().map(|one| &one["prompt"]).collect();
        assert_eq!(firsts, [0, 4], "conversations begin at turns 0 and 1");
        let turns = by_prompt(&requests);
        let followed: Vec<_> = turns
            .keys()
            .filter(|&prompt| prompt % 3 != 0 && turns.contains_key(&(prompt - 1)))
            .collect();
        assert!(followed.len() >= 8);
        for prompt in followed {
            let (due_ns, _, _) = times(turns[prompt]);
            let (_, end_ns, _) = times(turns[&(prompt - 1)]);
            assert_eq!(due_ns, end_ns + 40);
        }
        for (prompt, one) in turns.iter().filter(|(_, one)| one["status"] == "ok") {
            let ids: Vec<u64> = (1..=1 + prompt % 3)
                .map(|step| 10 + prompt % 20 + step)
                .collect();
            assert_eq!(one["token_ids"], json!(ids));
        }
        assert_eq!(stage["ended"], "requests");
    }
}

#[test]
fn a_conversation_that_the_prompts_do_not_hold_is_not_begun() {
    let (requests, stage, _) = ran(&talks(12, &json!({})), false);
    assert_eq!(stage["ended"], "prompts");
    assert!(by_prompt(&requests).len() <= 12);
}

#[test]
fn a_level_of_conversations_may_end_by_time() {
    let (requests, stage, _) = ran(&talks(60, &json!({"duration_seconds": 1e-6})), false);
    assert_eq!(stage["ended"], "duration");
    assert!(requests.iter().any(|one| one["phase"] == "measured"));
}

#[test]
fn requests_that_stand_alone_tell_no_prompt() {
    let (requests, _, _) = ran(&closed(|_| ()), false);
    assert!(requests.iter().all(|one| one.get("prompt").is_none()));
}
