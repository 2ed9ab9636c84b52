//! Plans for tests.

use conf_schema::plan::Plan;
use conf_schema::{SecretSource, check};

struct Secrets;

impl SecretSource for Secrets {
    fn env(&self, name: &str) -> Option<String> {
        (name == "SET").then(|| "key".to_owned())
    }

    fn file(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("there are no files here".to_owned())
    }
}

pub(crate) fn plan(text: &str) -> Plan {
    let checked = check(text, &Secrets);
    checked.plan.unwrap_or_else(|| panic!("{:?}", checked.problems))
}
