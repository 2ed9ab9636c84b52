//! What clients can ask for.

use std::sync::Arc;

use conf_name::{ModelName, ProviderName};

use super::{Checker, Provider, Unique};
use crate::{
    raw,
    read::{Field, Placed},
};

/// A model that clients can ask for.
#[derive(Clone, Debug)]
pub struct Model {
    /// What a client puts in `"model"`; unique.
    pub name: ModelName,
    /// Who can answer, best first; at least one.
    pub targets: Vec<Target>,
}

/// A model of a provider.
#[derive(Clone, Debug)]
pub struct Target {
    /// The same as in [`Plan::providers`](super::Plan::providers).
    pub provider: Arc<Provider>,
    /// The model as the provider calls it: not empty, without white space or control characters.
    pub model: String,
}

impl Checker<'_> {
    /// `declared` has every provider that was named, `providers` those that are all right: a
    /// target of one that is wrong is not one more mistake.
    pub(super) fn models(
        &self,
        list: Field<Vec<Field<raw::Model>>>,
        providers: &[Arc<Provider>],
        declared: &Unique<ProviderName>,
    ) -> Vec<Arc<Model>> {
        let mut names = Unique::new("model");
        let mut models = Vec::new();
        for Placed { value: raw::Model { name, targets }, at } in
            list.value().unwrap_or_default().into_iter().filter_map(Field::given)
        {
            let name = name.required(&at, "name", self.problems);
            if let Some(name) = &name {
                names.add(name, self.problems);
            }
            let Some(targets) = targets.required(&at, "targets", self.problems) else { continue };
            if targets.value.is_empty() {
                self.problems.error(&targets.at, "needs at least one target");
            }
            let targets = self.targets(targets.value, providers, declared);
            if let Some(name) = name {
                models.push(Arc::new(Model { name: name.value, targets }));
            }
        }
        models
    }

    fn targets(
        &self,
        list: Vec<Field<raw::Target>>,
        providers: &[Arc<Provider>],
        declared: &Unique<ProviderName>,
    ) -> Vec<Target> {
        let mut targets = Vec::<Target>::new();
        for Placed { value: raw::Target { provider, model }, at } in
            list.into_iter().filter_map(Field::given)
        {
            let provider = provider.required(&at, "provider", self.problems);
            let model = model.required(&at, "model", self.problems);
            if let Some(unknown) = provider.as_ref().filter(|name| !declared.contains(&name.value))
            {
                self.problems.error(&unknown.at, no_such_provider(&unknown.value, declared));
            }
            if let Some(model) = &model {
                self.problems.note(&model.at, upstream_model(&model.value));
            }
            let Some((provider, model)) = provider.zip(model) else { continue };
            let found = providers.iter().find(|one| one.name == provider.value);
            let Some(provider) = found.cloned() else { continue };
            let model = model.value;
            if targets.iter().any(|one| one.provider.name == provider.name && one.model == model) {
                self.problems.warning(&at, "is the same target as one before");
            }
            targets.push(Target { provider, model });
        }
        targets
    }
}

fn no_such_provider(name: &ProviderName, declared: &Unique<ProviderName>) -> String {
    let mut names: Vec<&str> = declared.seen.keys().map(AsRef::as_ref).collect();
    names.sort_unstable(); // of two that are equally near, always the same
    match crate::read::nearest(name.as_ref(), &names) {
        Some(near) => format!("no provider is called `{name}`; did you mean `{near}`?"),
        None => format!("no provider is called `{name}`"),
    }
}
fn upstream_model(model: &str) -> Result<(), &'static str> {
    if model.is_empty() {
        return Err("is empty");
    }
    if model.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("has white space or a control character in it");
    }
    Ok(())
}
