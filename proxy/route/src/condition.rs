//! Which targets of a model take this request.

use conf_schema::plan::{Plan, When};
use http::HeaderName;

use crate::table::Route;

/// What the conditions of a plan look at. Empty for most plans, and then a request need not be
/// looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Looked {
    /// These headers.
    pub headers: Vec<HeaderName>,
    /// The `metadata` of the request.
    pub metadata: bool,
    keys: bool,
}

impl Looked {
    pub(crate) fn at(plan: &Plan) -> Self {
        let mut looked = Self::default();
        for when in plan.models.iter().flat_map(|model| &model.targets).map(|target| &target.when) {
            looked.headers.extend(when.headers.iter().map(|(name, _)| name.clone()));
            looked.metadata |= !when.metadata.is_empty();
            looked.keys |= !when.keys.is_empty();
        }
        looked.headers.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        looked.headers.dedup();
        looked
    }

    /// Whether there is no condition at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && !self.metadata && !self.keys
    }
}

/// What a request says that conditions may look at. Whatever is not there fits no condition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// The name of the client's key; empty for nobody's.
    pub key: String,
    /// A header may be there more than once.
    pub headers: Vec<(HeaderName, String)>,
    /// Of an entry that is there twice, the last one counts, as with most who read JSON.
    pub metadata: Vec<(String, String)>,
}

impl Facts {
    /// Whether a target takes this request.
    #[must_use]
    pub fn fit(&self, when: &When) -> bool {
        let header = |(name, values): &(HeaderName, Vec<String>)| {
            self.headers.iter().any(|(known, value)| known == name && values.contains(value))
        };
        let entry = |(name, values): &(String, Vec<String>)| {
            let last = self.metadata.iter().rev().find(|(known, _)| known == name);
            last.is_some_and(|(_, value)| values.contains(value))
        };
        when.headers.iter().all(header)
            && (when.keys.is_empty() || when.keys.iter().any(|key| *key.as_ref() == *self.key))
            && when.metadata.iter().all(entry)
    }
}

/// The targets of a route that do not take a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Barred {
    /// By their place; empty if all take it.
    targets: Vec<bool>,
}

impl Barred {
    /// Those whose conditions do not hold.
    #[must_use]
    pub fn by(route: &Route, facts: &Facts) -> Self {
        if route.targets().all(|target| target.when.is_always()) {
            return Self::default();
        }
        let barred: Vec<bool> = route.targets().map(|target| !facts.fit(&target.when)).collect();
        // All but none: the empty list says the same.
        if barred.contains(&true) { Self { targets: barred } } else { Self::default() }
    }

    /// Whether this target does not take it.
    #[must_use]
    pub fn has(&self, target: usize) -> bool {
        self.targets.get(target).copied().unwrap_or(false)
    }

    /// Whether no target takes it.
    #[must_use]
    pub fn all(&self) -> bool {
        !self.targets.is_empty() && !self.targets.contains(&false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::plan;

    const CONFIG: &str = "
auth: {mode: keys, keys: [{name: ci, key: k1}, {name: ops, key: k2}]}
providers: [{name: p, dialect: openai, accounts: [{name: main}]}]
models:
  - name: m
    targets:
      - {provider: p, model: gold, when: {headers: {X-Tier: [gold, silver]}}}
      - {provider: p, model: team, when: {keys: [ci], metadata: {team: [a, b], env: [prod]}}}
      - {provider: p, model: any}
";

    fn facts(key: &str, tiers: &[&str], metadata: &[(&str, &str)]) -> Facts {
        let tier = |value: &&str| (HeaderName::from_static("x-tier"), (*value).to_owned());
        let entry = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Facts {
            key: key.to_owned(),
            headers: tiers.iter().map(tier).collect(),
            metadata: metadata.iter().map(entry).collect(),
        }
    }

    fn taken(facts: &Facts) -> Vec<bool> {
        let plan = plan(CONFIG);
        plan.models[0].targets.iter().map(|target| facts.fit(&target.when)).collect()
    }

    #[test]
    fn all_conditions_must_hold_and_one_value_of_each_is_enough() {
        assert_eq!(taken(&facts("", &[], &[])), [false, false, true]);
        assert_eq!(taken(&facts("", &["silver"], &[])), [true, false, true]);
        assert_eq!(taken(&facts("", &["lead", "gold"], &[])), [true, false, true]);
        assert_eq!(taken(&facts("", &["Gold"], &[])), [false, false, true]);
        let both = [("team", "b"), ("env", "prod"), ("more", "x")];
        assert_eq!(taken(&facts("ci", &[], &both)), [false, true, true]);
        assert_eq!(taken(&facts("ops", &[], &both)), [false, false, true]);
        assert_eq!(taken(&facts("ci", &[], &both[..1])), [false, false, true]);
        let twice = [("team", "c"), ("team", "a"), ("env", "prod")];
        assert_eq!(taken(&facts("ci", &[], &twice)), [false, true, true]);
    }

    #[test]
    fn a_plan_says_what_its_conditions_look_at() {
        let looked = Looked::at(&plan(CONFIG));
        assert_eq!(looked.headers, ["x-tier"]);
        assert!(looked.metadata && !looked.is_empty());
        let without = "providers: [{name: p, dialect: openai, accounts: [{name: main}]}]
models: [{name: m, targets: [{provider: p, model: x}]}]";
        assert!(Looked::at(&plan(without)).is_empty());
    }

    proptest! {
        /// What is added to a request never takes it away from a condition on something else.
        #[test]
        fn what_no_condition_looks_at_changes_nothing(name in "[a-z]{1,8}", value in ".{0,8}") {
            prop_assume!(name != "team" && name != "env");
            let plain = facts("ci", &["gold"], &[("team", "a"), ("env", "prod")]);
            let mut more = plain.clone();
            more.metadata.push((name, value));
            prop_assert_eq!(taken(&plain), taken(&more));
        }
    }
}
