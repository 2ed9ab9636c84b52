//! What the gateway answers by itself: its health and its models.

use adapters_canonical::failure::Failure;
use adapters_openai::ingress::{self, Model as Entry};
use conf_schema::plan::{Model, Plan};
use percent_encoding::percent_decode_str;
use proxy_route::resolve::{self, Resolved};

use crate::clock;

/// `GET /v1/models`: what the configuration lists.
pub(crate) fn model_list(plan: &Plan) -> Vec<u8> {
    let entries: Vec<Entry<'_>> = plan.models.iter().map(|model| listed(model)).collect();
    ingress::encode_models(&entries)
}

/// `GET /v1/models/{id}`: one of them, or a model reached directly.
pub(crate) fn model(plan: &Plan, escaped: &str) -> Result<Vec<u8>, Failure> {
    let id = percent_decode_str(escaped).decode_utf8_lossy();
    match resolve::resolve(plan, &id) {
        Ok(Resolved::Listed(model)) => Ok(ingress::encode_model(&listed(&model))),
        Ok(Resolved::Direct(target)) => {
            let owner = target.provider.name.as_ref();
            Ok(ingress::encode_model(&entry(&id, owner)))
        }
        Err(unknown) => Err(Failure::ModelUnknown { model: id.into_owned(), near: unknown.near }),
    }
}

fn listed(model: &Model) -> Entry<'_> {
    let owner = model.targets.first().map_or("penstock", |target| target.provider.name.as_ref());
    entry(model.name.as_ref(), owner)
}

fn entry<'a>(id: &'a str, owned_by: &'a str) -> Entry<'a> {
    // When a model was made is the provider's to know; that it is offered is true as of now.
    Entry { id, owned_by, created: clock::unix_seconds() }
}
