//! What an adapter can't do is refused before its model is loaded.

use serde_json::Value;

use crate::engine::{Capabilities, Description};
use crate::failure::Failure;
use crate::spec::{Case, Spec};

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
        max_concurrency,
        ..
    } = &description.capabilities;
    require(
        "device",
        &spec.device,
        devices.contains(&spec.device.kind()),
        devices,
    )?;
    require("dtype", &spec.dtype, dtypes.contains(&spec.dtype), dtypes)?;
    let mode = spec.load.mode.as_str();
    require("load.mode", &mode, load_modes.contains(&mode), load_modes)?;
    if spec.load.concurrency > *max_concurrency {
        return Err(Failure::unsupported(format!(
            "load.concurrency is {}, at most {max_concurrency} is possible",
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
    fn margins_are_true_or_false() {
        let mut asked = spec();
        assert_eq!(wants_margins(&asked), Ok(false));
        asked.options.insert(MARGINS.to_owned(), json!(true));
        assert_eq!(wants_margins(&asked), Ok(true));
        asked.options.insert(MARGINS.to_owned(), json!("yes"));
        assert!(refusal(&asked, &description()).contains("options.margins"));
    }
}
