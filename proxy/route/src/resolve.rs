//! From the name a client uses to the targets it stands for.

use std::sync::Arc;

use conf_schema::plan::{Model, Plan, Provider, Target, When};

/// How many names to suggest for one that is not offered.
const NEAR_MATCHES: usize = 3;
/// How much a name must look like the one asked for to be suggested; 1 is the same.
const NEAR: f64 = 0.75;

/// What a model name stands for.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// A model of the configuration.
    Listed(Arc<Model>),
    /// `<provider>/<model>`: straight to that provider.
    Direct(Target),
}

impl Resolved {
    /// Where a request for it may go, the first choice first.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        match self {
            Self::Listed(model) => &model.targets,
            Self::Direct(target) => std::slice::from_ref(target),
        }
    }

    /// The providers that serve it, each once.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        let targets = self.targets();
        targets.iter().enumerate().filter_map(|(at, target)| {
            let seen = targets[..at].iter().any(|t| Arc::ptr_eq(&t.provider, &target.provider));
            (!seen).then_some(&target.provider)
        })
    }
}

/// What `name` stands for. A model of the configuration hides a direct one of the same name.
///
/// # Errors
///
/// [`Unknown`] if it stands for nothing.
pub fn resolve(plan: &Plan, name: &str) -> Result<Resolved, Unknown> {
    if let Some(model) = plan.model(name) {
        return Ok(Resolved::Listed(Arc::clone(model)));
    }
    if plan.direct_models
        && let Some((provider, model)) = name.split_once('/')
        && !model.is_empty()
        && !model.contains(|c: char| c.is_whitespace() || c.is_control())
        && let Some(provider) = plan.provider(provider)
    {
        let provider = Arc::clone(provider);
        let model = model.to_owned();
        let when = When::default();
        return Ok(Resolved::Direct(Target { provider, model, price: None, when }));
    }
    Err(Unknown { near: near(plan, name) })
}

/// The name stands for nothing here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such model")]
pub struct Unknown {
    /// Names that look like it, best first.
    pub near: Vec<String>,
}

fn near(plan: &Plan, name: &str) -> Vec<String> {
    let asked = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = plan
        .models
        .iter()
        .map(|model| model.name.as_ref())
        .map(|known: &str| (likeness(&asked, &known.to_lowercase()), known))
        .filter(|(score, _)| *score >= NEAR)
        .collect();
    scored.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.cmp(y)));
    scored.into_iter().take(NEAR_MATCHES).map(|(_, known)| known.to_owned()).collect()
}

/// 0 to 1. A name that contains the other, such as a dated version of it, is near.
fn likeness(asked: &str, known: &str) -> f64 {
    let (short, long) = if asked.len() < known.len() { (asked, known) } else { (known, asked) };
    if short.len() >= 4 && long.contains(short) { 0.9 } else { strsim::jaro_winkler(asked, known) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::plan;

    const CONFIG: &str = "
providers:
  - {name: openai, dialect: openai, accounts: [{name: main}]}
  - {name: claude, dialect: anthropic, accounts: [{name: main}]}
models:
  - {name: fast, targets: [{provider: openai, model: gpt-5-mini}, {provider: claude, model: c}]}
  - {name: openai/gpt-5, targets: [{provider: claude, model: hidden}]}
  - {name: claude-sonnet, targets: [{provider: claude, model: claude-sonnet-5}]}
";

    fn where_to(name: &str) -> Vec<String> {
        match resolve(&plan(CONFIG), name) {
            Ok(resolved) => resolved
                .targets()
                .iter()
                .map(|target| format!("{}:{}", target.provider.name, target.model))
                .collect(),
            Err(unknown) => unknown.near,
        }
    }

    #[test]
    fn a_listed_model_stands_for_its_targets_in_order() {
        assert_eq!(where_to("fast"), ["openai:gpt-5-mini", "claude:c"]);
    }

    #[test]
    fn a_direct_model_goes_straight_to_its_provider_slashes_and_all() {
        assert_eq!(where_to("openai/gpt-6"), ["openai:gpt-6"]);
        assert_eq!(where_to("openai/org/gpt-6"), ["openai:org/gpt-6"]);
    }

    #[test]
    fn a_listed_model_hides_a_direct_one() {
        assert_eq!(where_to("openai/gpt-5"), ["claude:hidden"]);
    }

    #[test]
    fn direct_models_can_be_turned_off() {
        let closed = plan(&format!("{CONFIG}direct_models: false\n"));
        assert!(resolve(&closed, "openai/gpt-6").is_err());
    }

    #[test]
    fn an_unknown_model_gets_near_matches_and_a_strange_one_none() {
        assert_eq!(where_to("claude-sonet"), ["claude-sonnet"]);
        assert_eq!(where_to("claude-sonnet-20270101"), ["claude-sonnet"]);
        assert_eq!(where_to("nothing like it"), Vec::<String>::new());
        assert_eq!(where_to("openai/"), ["openai/gpt-5"]);
        assert!(resolve(&plan(CONFIG), "openai/a b").is_err());
    }

    #[test]
    fn each_provider_is_named_once() {
        let plan = plan(
            "
providers: [{name: a, dialect: openai, accounts: [{name: main}]}]
models: [{name: m, targets: [{provider: a, model: x}, {provider: a, model: y}]}]
",
        );
        assert_eq!(resolve(&plan, "m").unwrap().providers().count(), 1);
    }
}
