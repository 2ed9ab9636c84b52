//! What clients can ask for.

use std::{sync::Arc, time::Duration};

use conf_name::{KeyName, ModelName, ProviderName};

use super::{Auth, AuthMode, Checker, LossPolicy, Provider, Strategy, Timeouts, Unique, When};
use crate::{
    raw::{self, Timespan},
    read::{Field, Placed},
};

/// A model that clients can ask for.
#[derive(Clone, Debug)]
pub struct Model {
    /// What a client puts in `"model"`; unique.
    pub name: ModelName,
    /// Who can answer, best first; at least one.
    pub targets: Vec<Target>,
    /// Which account of which target is next.
    pub strategy: Strategy,
    /// How long to wait, where that differs from the provider's timeouts.
    pub timeouts: ModelTimeouts,
    /// Other models to ask when this one cannot take a request because of what is in it.
    pub fallbacks: Fallbacks,
    /// What becomes of a request of which a provider cannot express everything, where that is said
    /// of this model.
    pub losses: Option<LossPolicy>,
}

/// How long to wait for a model; all above zero, `None` is what its provider says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ModelTimeouts {
    /// Instead of [`Timeouts::connect`].
    pub connect: Option<Duration>,
    /// Instead of [`Timeouts::first_byte`].
    pub first_byte: Option<Duration>,
    /// Instead of [`Timeouts::idle`].
    pub idle: Option<Duration>,
    /// Instead of [`Timeouts::total`].
    pub total: Option<Duration>,
}

impl ModelTimeouts {
    /// The timeouts for this model at a provider.
    #[must_use]
    pub fn over(&self, provider: &Timeouts) -> Timeouts {
        Timeouts {
            connect: self.connect.unwrap_or(provider.connect),
            first_byte: self.first_byte.unwrap_or(provider.first_byte),
            idle: self.idle.unwrap_or(provider.idle),
            total: self.total.unwrap_or(provider.total),
        }
    }
}

/// Other models to ask, best first; each is in the plan and none is the model itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fallbacks {
    /// When the conversation is longer than the model takes.
    pub context_window: Vec<ModelName>,
    /// When the provider refuses because of what the conversation says.
    pub content_policy: Vec<ModelName>,
}

/// A model of a provider.
#[derive(Clone, Debug)]
pub struct Target {
    /// The same as in [`Plan::providers`](super::Plan::providers).
    pub provider: Arc<Provider>,
    /// The model as the provider calls it: not empty, without white space or control characters.
    pub model: String,
    /// What it costs, if that is known.
    pub price: Option<Price>,
    /// Which requests it takes.
    pub when: When,
}

/// What a million tokens cost; neither is negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Of the request.
    pub input: f64,
    /// Of the answer.
    pub output: f64,
}

/// What models refer to.
pub(super) struct Known<'a> {
    /// The providers that are all right: a target of one that is wrong is not one more mistake.
    pub(super) providers: &'a [Arc<Provider>],
    /// Every provider that was named.
    pub(super) declared: &'a Unique<ProviderName>,
    /// Every client key that was named.
    pub(super) keys: &'a Unique<KeyName>,
    pub(super) auth: &'a Auth,
}

impl Checker<'_> {
    pub(super) fn models(
        &self,
        list: Field<Vec<Field<raw::Model>>>,
        known: &Known<'_>,
    ) -> Vec<Arc<Model>> {
        let mut names = Unique::new("model");
        let (mut models, mut fallbacks) = (Vec::new(), Vec::new());
        for Placed { value: raw, at } in
            list.value().unwrap_or_default().into_iter().filter_map(Field::given)
        {
            let raw::Model { name, targets, strategy, timeouts, fallbacks: fall_back, losses } =
                raw;
            let name = name.required(&at, "name", self.problems);
            if let Some(name) = &name {
                names.add(name, self.problems);
            }
            let Some(targets) = targets.required(&at, "targets", self.problems) else { continue };
            if targets.value.is_empty() {
                self.problems.error(&targets.at, "needs at least one target");
            }
            let targets = self.targets(targets.value, known);
            if let Some(name) = name {
                models.push(Model {
                    name: name.value,
                    targets,
                    strategy: strategy.value().unwrap_or_default(),
                    timeouts: model_timeouts(timeouts),
                    fallbacks: Fallbacks::default(),
                    losses: losses.value(),
                });
                fallbacks.push(fall_back);
            }
        }
        // Only now are all names known.
        for (model, fallbacks) in models.iter_mut().zip(fallbacks) {
            let raw::Fallbacks { context_window, content_policy } =
                fallbacks.value().unwrap_or_default();
            model.fallbacks = Fallbacks {
                context_window: self.fallbacks(context_window, &model.name, &names),
                content_policy: self.fallbacks(content_policy, &model.name, &names),
            };
        }
        models.into_iter().map(Arc::new).collect()
    }

    fn fallbacks(
        &self,
        list: Field<Vec<Field<ModelName>>>,
        of: &ModelName,
        declared: &Unique<ModelName>,
    ) -> Vec<ModelName> {
        let mut models = Vec::new();
        for Placed { value, at } in
            list.value().unwrap_or_default().into_iter().filter_map(Field::given)
        {
            if value == *of {
                self.problems.error(&at, "is the model itself");
            } else if !declared.contains(&value) {
                self.problems.error(&at, declared.no_such(&value));
            } else if models.contains(&value) {
                self.problems.warning(&at, "is listed already");
            } else {
                models.push(value);
            }
        }
        models
    }

    fn targets(&self, list: Vec<Field<raw::Target>>, known: &Known<'_>) -> Vec<Target> {
        let Known { providers, declared, keys, auth } = *known;
        let nobody = auth.mode == AuthMode::Open;
        let mut targets = Vec::<Target>::new();
        for Placed { value: raw::Target { provider, model, price, when }, at } in
            list.into_iter().filter_map(Field::given)
        {
            let provider = provider.required(&at, "provider", self.problems);
            let model = model.required(&at, "model", self.problems);
            let price = self.price(price);
            let when = self.when(when, keys, nobody);
            if let Some(unknown) = provider.as_ref().filter(|name| !declared.contains(&name.value))
            {
                self.problems.error(&unknown.at, declared.no_such(&unknown.value));
            }
            if let Some(model) = &model {
                self.problems.note(&model.at, upstream_model(&model.value));
            }
            let Some((provider, model)) = provider.zip(model) else { continue };
            let found = providers.iter().find(|one| one.name == provider.value);
            let Some(provider) = found.cloned() else { continue };
            let model = model.value;
            let same = |one: &Target| one.provider.name == provider.name && one.model == model;
            if targets.iter().any(|one| same(one) && one.when == when) {
                self.problems.warning(&at, "is the same target as one before");
            }
            targets.push(Target { provider, model, price, when });
        }
        targets
    }
}

impl Checker<'_> {
    fn price(&self, section: Field<raw::Price>) -> Option<Price> {
        let Placed { value: raw::Price { input, output }, at } = section.given()?;
        let cost = |field: Field<f64>, key| {
            let Placed { value, at } = field.required(&at, key, self.problems)?;
            let sound = value.is_finite() && value >= 0.0;
            self.problems.note(&at, sound.then_some(value).ok_or("must be 0 or more"))
        };
        let (input, output) = (cost(input, "input"), cost(output, "output"));
        Some(Price { input: input?, output: output? })
    }
}

fn model_timeouts(section: Field<raw::ModelTimeouts>) -> ModelTimeouts {
    let section = section.value().unwrap_or_default();
    let given = |field: Field<Timespan>| field.value().map(|Timespan(given)| given);
    ModelTimeouts {
        connect: given(section.connect),
        first_byte: given(section.first_byte),
        idle: given(section.idle),
        total: given(section.total),
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
