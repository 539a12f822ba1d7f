//! What an adapter can't do is refused before its model is loaded.

use serde_json::Value;

use crate::engine::{Capabilities, Description};
use crate::failure::Failure;
use crate::load::Mode;
use crate::spec::{Case, Spec};
use crate::stage;

/// Option that [`crate::decode`] serves for the engines that list it.
pub const MARGINS: &str = "margins";

/// Refuse whatever the description excludes.
///
/// # Errors
/// [`Failure::unsupported`] that names the key, its value and what is possible.
pub fn check(spec: &Spec, description: &Description) -> Result<(), Failure> {
    let Capabilities {
        devices,
        dtypes,
        load_modes,
        ..
    } = &description.capabilities;
    require(
        "device",
        &spec.device,
        devices.contains(&spec.device.kind()),
        devices,
    )?;
    require("dtype", &spec.dtype, dtypes.contains(&spec.dtype), dtypes)?;
    // Of protocol 1, in which requests come one after the other whatever the engine can.
    let mode = spec.load.mode.as_str();
    let one = Mode::Closed.word();
    require(
        "load.mode",
        &mode,
        mode == one && load_modes.contains(&one),
        &[one],
    )?;
    if spec.load.concurrency > 1 {
        return Err(Failure::unsupported(format!(
            "load.concurrency is {}, at most 1 is possible in protocol 1",
            spec.load.concurrency
        )));
    }
    for key in spec.options.keys() {
        let known = description.options;
        require("options", key, known.contains(&key.as_str()), known)?;
    }
    wants_margins(spec)?;
    if spec.logits_path.is_some() && !description.capabilities.logits {
        return Err(Failure::unsupported(
            "logits_path is set, this engine gives no logits",
        ));
    }
    for (index, case) in spec.cases.iter().enumerate() {
        check_case(case, &description.capabilities)
            .and_then(|()| check_level(spec, case, &description.capabilities))
            .map_err(|why| Failure::unsupported(format!("cases[{index}]: {why}")))?;
    }
    Ok(())
}

/// Whether `options.margins` is true.
///
/// # Errors
/// [`Failure::unsupported`] where it is neither true nor false.
pub fn wants_margins(spec: &Spec) -> Result<bool, Failure> {
    match spec.options.get(MARGINS) {
        None => Ok(false),
        Some(Value::Bool(wanted)) => Ok(*wanted),
        Some(other) => Err(Failure::unsupported(format!(
            "options.{MARGINS} is {other}, it can be true or false"
        ))),
    }
}

/// Refuse a level that is not among the capabilities, and what no level has.
fn check_level(spec: &Spec, case: &Case, capabilities: &Capabilities) -> Result<(), String> {
    let Some(load) = &case.load else {
        return Ok(());
    };
    let (modes, most) = (&capabilities.load_modes, capabilities.max_concurrency);
    if most == 1 {
        return Err("it has a load, this engine serves one request after the other".to_owned());
    }
    if !modes.contains(&load.mode.word()) {
        let (mode, modes) = (load.mode.word(), modes.join(", "));
        return Err(format!(
            "load.mode: {mode} is not possible; possible here: {modes}"
        ));
    }
    let places = stage::places(load);
    if places as u64 > most {
        return Err(format!(
            "{places} requests at once are asked for, at most {most} are possible"
        ));
    }
    let has_margins = wants_margins(spec).is_ok_and(|wanted| wanted);
    if case.forced_ids.is_some() || spec.logits_path.is_some() || has_margins {
        return Err("requests under load have neither forced_ids, logits nor margins".to_owned());
    }
    Ok(())
}

fn require<T>(
    key: &str,
    value: &impl std::fmt::Display,
    is_possible: bool,
    possible: &[T],
) -> Result<(), Failure>
where
    T: std::fmt::Display,
{
    if is_possible {
        return Ok(());
    }
    let words: Vec<String> = possible.iter().map(ToString::to_string).collect();
    Err(Failure::unsupported(format!(
        "{key}: {value} is not possible; possible here: {}",
        if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(", ")
        }
    )))
}

/// Refuse a case whose way to choose a token is not among the capabilities.
fn check_case(case: &Case, capabilities: &Capabilities) -> Result<(), String> {
    let sampling = &case.sampling;
    let can = |way: &str| capabilities.sampling.contains(&way);
    if case.ignore_eos && !capabilities.ignore_eos {
        return Err("ignore_eos is true, the engine stops at the end of a sequence".to_owned());
    }
    if case.forced_ids.is_some() && !capabilities.teacher_forcing {
        return Err("forced_ids are given, the engine takes back only what it chose".to_owned());
    }
    if sampling.is_greedy() {
        return if can("greedy") {
            Ok(())
        } else {
            Err("sampling.temperature is 0, greedy choice is not possible".to_owned())
        };
    }
    if !can("temperature") {
        return Err(format!(
            "sampling.temperature is {}, only 0 is possible",
            sampling.temperature
        ));
    }
    if sampling.top_p < 1.0 && !can("top_p") {
        return Err(format!(
            "sampling.top_p is {}, only 1 is possible",
            sampling.top_p
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;
    use crate::spec::{Device, Dtype, Sampling};
    use crate::testing::greedy_spec;
    use serde_json::{Map, json};
    use std::path::Path;

    fn description() -> Description {
        Description {
            engine: "tiny",
            version: "1".to_owned(),
            build: Map::new(),
            capabilities: Capabilities::of_logits(vec!["cpu"], vec![Dtype::F32]),
            options: &[MARGINS, "speed"],
        }
    }

    fn spec() -> Spec {
        let mut spec = greedy_spec(Path::new("/m"));
        spec.cases[0].sampling = Sampling {
            temperature: 0.5,
            top_p: 0.5,
            seed: 0,
        };
        spec
    }

    fn refusal(spec: &Spec, description: &Description) -> String {
        let failure = check(spec, description).unwrap_err();
        assert_eq!(failure.kind, Kind::Unsupported);
        failure.message
    }

    #[test]
    fn what_is_possible_passes() {
        assert_eq!(check(&spec(), &description()), Ok(()));
    }

    #[test]
    fn what_the_spec_asks_beyond_the_capabilities_is_refused() {
        let mut asked = spec();
        asked.device = Device::Cuda(0);
        assert_eq!(
            refusal(&asked, &description()),
            "device: cuda:0 is not possible; possible here: cpu"
        );
        let mut asked = spec();
        asked.dtype = Dtype::Bf16;
        assert!(refusal(&asked, &description()).starts_with("dtype: bf16"));
        let mut asked = spec();
        asked.load.mode = "poisson".to_owned();
        assert!(refusal(&asked, &description()).starts_with("load.mode: poisson"));
        let mut asked = spec();
        asked.load.concurrency = 2;
        assert!(refusal(&asked, &description()).starts_with("load.concurrency is 2"));
        let mut asked = spec();
        asked.options.insert("turbo".to_owned(), json!(1));
        assert!(refusal(&asked, &description()).starts_with("options: turbo"));
    }

    #[test]
    fn what_the_capabilities_lack_is_refused() {
        let lacking = |change: fn(&mut Capabilities)| {
            let mut description = description();
            change(&mut description.capabilities);
            refusal(&spec(), &description)
        };
        assert!(lacking(|can| can.ignore_eos = false).contains("ignore_eos"));
        assert!(lacking(|can| can.sampling = vec!["greedy"]).contains("sampling.temperature"));
        assert!(lacking(|can| can.sampling = vec!["temperature"]).contains("sampling.top_p"));
    }

    #[test]
    fn an_engine_without_seeds_may_draw() {
        let mut description = description();
        description.capabilities.seed = false;
        assert_eq!(check(&spec(), &description), Ok(()));
    }

    #[test]
    fn greedy_needs_neither_seed_nor_nucleus() {
        let mut asked = spec();
        asked.cases[0].sampling.temperature = 0.0;
        let mut description = description();
        description.capabilities.seed = false;
        description.capabilities.sampling = vec!["greedy"];
        assert_eq!(check(&asked, &description), Ok(()));
        description.capabilities.sampling = vec!["temperature"];
        assert!(refusal(&asked, &description).contains("greedy"));
    }

    #[test]
    fn forcing_and_logits_need_their_capability() {
        let mut asked = spec();
        asked.logits_path = Some("/tmp/logits".into());
        let mut description = description();
        assert_eq!(check(&asked, &description), Ok(()));
        description.capabilities.logits = false;
        assert!(refusal(&asked, &description).starts_with("logits_path"));
        let mut asked = spec();
        asked.cases[0].sampling.temperature = 0.0;
        asked.cases[0].forced_ids = Some(vec![1, 2]);
        assert_eq!(check(&asked, &description), Ok(()));
        description.capabilities.teacher_forcing = false;
        assert!(refusal(&asked, &description).contains("forced_ids"));
    }

    #[test]
    fn levels_need_an_engine_that_decodes_together_and_have_ids_alone() {
        let level = |mode: &str| {
            let more = if mode == "closed" {
                "concurrency"
            } else {
                "requests_per_second"
            };
            let load = json!({"mode": mode, more: 3, "requests": 1, "warmup_requests": 0, "timeout_seconds": 1});
            let mut asked = spec();
            asked.cases[0].load = Some(serde_json::from_value(load).unwrap());
            asked
        };
        assert!(refusal(&level("closed"), &description()).contains("one request after the other"));
        let mut able = description();
        able.capabilities = able.capabilities.together();
        assert_eq!(check(&level("closed"), &able), Ok(()));
        assert_eq!(check(&level("open"), &able), Ok(()));
        able.capabilities.max_concurrency = 2;
        assert!(refusal(&level("open"), &able).contains("16 requests at once"));
        assert!(refusal(&level("closed"), &able).contains("3 requests at once"));
        able.capabilities.load_modes = vec!["closed"];
        assert!(refusal(&level("open"), &able).contains("load.mode: open"));
        able.capabilities.max_concurrency = 3;
        let mut asked = level("closed");
        asked.cases[0].load.as_mut().unwrap().turns = Some(2);
        assert_eq!(check(&asked, &able), Ok(()));
        let mut asked = level("closed");
        asked.options.insert(MARGINS.to_owned(), json!(true));
        assert!(refusal(&asked, &able).contains("margins"));
    }

    #[test]
    fn one_request_after_the_other_is_all_of_protocol_1_whatever_the_engine_can() {
        let mut able = description();
        able.capabilities = able.capabilities.together();
        let mut asked = spec();
        asked.load.concurrency = 2;
        assert!(refusal(&asked, &able).starts_with("load.concurrency is 2"));
        asked = spec();
        asked.load.mode = "open".to_owned();
        assert!(refusal(&asked, &able).starts_with("load.mode: open"));
    }

    #[test]
    fn margins_are_true_or_false() {
        let mut asked = spec();
        assert_eq!(wants_margins(&asked), Ok(false));
        asked.options.insert(MARGINS.to_owned(), json!(true));
        assert_eq!(wants_margins(&asked), Ok(true));
        asked.options.insert(MARGINS.to_owned(), json!("yes"));
        assert!(refusal(&asked, &description()).contains("options.margins"));
    }
}
