//! How tokens are drawn: Anthropic's scale, and the models that take no such wish.

use adapters_canonical::chat;
use adapters_canonical::loss::Loss;

use crate::capability::{Capability, Samplers};
use crate::wire::request::Sampling;

/// `taken` says whether the API version takes samplers at all, `thinking` whether the model was
/// told to think, which bars most of them.
pub(super) fn encode(
    wish: &chat::Sampling,
    capability: &Capability,
    taken: bool,
    thinking: bool,
    losses: &mut Vec<Loss>,
) -> Sampling {
    if !taken || capability.samplers == Samplers::None {
        let reason = if taken {
            "this model takes no samplers"
        } else {
            "this API version takes no samplers"
        };
        drop_all(wish, reason, losses);
        return Sampling::default();
    }
    if thinking {
        // While thinking, the API takes `top_p` from 0.95 up, and nothing else.
        let near_one = |p: f64| (0.95..=1.0).contains(&p);
        let top_p = wish.top_p.filter(|p| near_one(*p));
        let rest = chat::Sampling { top_p: wish.top_p.filter(|p| !near_one(*p)), ..wish.clone() };
        drop_all(&rest, "not possible while the model thinks", losses);
        return Sampling { top_p, ..Sampling::default() };
    }
    let mut temperature = wish.temperature.map(|wanted| temperature(wanted, losses));
    let mut top_p = wish.top_p;
    if capability.samplers == Samplers::OneOfTwo && top_p.is_some_and(|p| p != 1.0) {
        // The model's own distribution needs no saying.
        temperature = temperature.filter(|temperature| *temperature != 1.0);
    }
    if temperature.is_some() && capability.samplers == Samplers::OneOfTwo {
        if top_p.is_some_and(|p| p != 1.0) {
            losses.push(Loss::dropped("top_p", "this model takes no `top_p` with `temperature`"));
        }
        top_p = None;
    }
    Sampling { temperature, top_p, top_k: wish.top_k }
}

/// OpenAI goes to 2, Anthropic to 1; both take 1 for the model's own distribution, so that the
/// scales agree where both exist.
fn temperature(wanted: f64, losses: &mut Vec<Loss>) -> f64 {
    if wanted > 1.0 {
        losses.push(Loss::adapted("temperature", "the highest temperature is 1"));
    }
    wanted.clamp(0.0, 1.0)
}

fn drop_all(wish: &chat::Sampling, reason: &'static str, losses: &mut Vec<Loss>) {
    let set = |number: Option<f64>| number.is_some_and(|number| number != 1.0);
    let gone = [
        ("temperature", set(wish.temperature)),
        ("top_p", set(wish.top_p)),
        ("top_k", wish.top_k.is_some()),
    ];
    losses.extend(
        gone.into_iter().filter(|(_, lost)| *lost).map(|(path, _)| Loss::dropped(path, reason)),
    );
}
