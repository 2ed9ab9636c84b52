//! An account of one provider by weight alone, for callers that keep no [`Router`](crate::Router).

use conf_schema::plan::{Account, Credential, Provider};
use rand::{Rng, RngExt};

/// One of the accounts that have what they need, each as often as its weight says.
///
/// # Errors
///
/// [`NoAccount`] if every account lacks its credential, with what the first one lacks.
pub fn pick<'a>(provider: &'a Provider, rng: &mut impl Rng) -> Result<Picked<'a>, NoAccount<'a>> {
    let usable = || provider.accounts.iter().enumerate().filter(|(_, account)| usable(account));
    let total: u64 = usable().map(|(_, account)| u64::from(account.weight.get())).sum();
    if total == 0 {
        return Err(NoAccount { reason: what_is_missing(provider) });
    }
    let mut drawn = if usable().nth(1).is_none() { 0 } else { rng.random_range(0..total) };
    for (index, account) in usable() {
        let weight = u64::from(account.weight.get());
        if drawn < weight {
            return Ok(Picked { index, account });
        }
        drawn -= weight;
    }
    Err(NoAccount { reason: what_is_missing(provider) })
}

/// An account, and its place in the provider's list.
#[derive(Clone, Copy, Debug)]
pub struct Picked<'a> {
    /// Its place in [`Provider::accounts`].
    pub index: usize,
    /// The account.
    pub account: &'a Account,
}

/// No account of the provider has what it needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no account has a credential: {reason}")]
pub struct NoAccount<'a> {
    /// What the first one lacks.
    pub reason: &'a str,
}

fn usable(account: &Account) -> bool {
    match account.credential {
        Credential::None | Credential::Key(_) => true,
        Credential::Missing { .. } => false,
    }
}

fn what_is_missing(provider: &Provider) -> &str {
    provider
        .accounts
        .iter()
        .find_map(|account| match &account.credential {
            Credential::Missing { reason } => Some(reason.as_str()),
            Credential::None | Credential::Key(_) => None,
        })
        .unwrap_or("it has no account")
}

#[cfg(test)]
mod tests {
    use conf_schema::plan::Plan;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::sample::plan;

    fn provider(accounts: &str) -> Plan {
        plan(&format!("providers: [{{name: p, dialect: openai, accounts: [{accounts}]}}]"))
    }

    #[test]
    fn accounts_are_picked_as_often_as_their_weights_say() {
        let plan = provider("{name: a, weight: 3}, {name: b}, {name: c, api_key: {env: UNSET}}");
        let mut rng = StdRng::seed_from_u64(7);
        let mut picked = [0_u32; 3];
        for _ in 0..4000 {
            picked[pick(&plan.providers[0], &mut rng).unwrap().index] += 1;
        }
        assert!((2850..3150).contains(&picked[0]), "{picked:?}");
        assert_eq!(picked[0] + picked[1], 4000, "an account without its key is never picked");
    }

    #[test]
    fn without_any_key_it_is_said_what_is_missing() {
        let plan = provider("{name: a, api_key: {env: UNSET}}");
        let error = pick(&plan.providers[0], &mut StdRng::seed_from_u64(7)).unwrap_err();
        assert!(error.reason.contains("UNSET"), "{error}");
    }

    #[test]
    fn an_account_may_need_no_key() {
        let plan = provider("{name: a}");
        assert_eq!(pick(&plan.providers[0], &mut StdRng::seed_from_u64(7)).unwrap().index, 0);
    }
}
