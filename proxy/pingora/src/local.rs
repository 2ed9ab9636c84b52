//! What the gateway answers by itself: its health and its models.

use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::{Ingress, ModelEntry};
use conf_schema::plan::Model;
use percent_encoding::percent_decode_str;
use proxy_route::resolve::{self, Resolved};

use crate::snapshot::Snapshot;

/// `GET /v1/models`: what the configuration lists.
pub(crate) fn models(snapshot: &Snapshot, ingress: &dyn Ingress) -> Vec<u8> {
    let entries: Vec<ModelEntry<'_>> =
        snapshot.plan.models.iter().map(|model| listed(model, snapshot.since)).collect();
    ingress.encode_models(&entries)
}

/// `GET /v1/models/{id}`: one of them, or a model reached directly.
pub(crate) fn model(
    snapshot: &Snapshot,
    ingress: &dyn Ingress,
    path: &str,
) -> Result<Vec<u8>, Failure> {
    let (_, escaped) = path.split_once("/models/").unwrap_or_default();
    if escaped.is_empty() {
        return Ok(models(snapshot, ingress));
    }
    let id = percent_decode_str(escaped).decode_utf8_lossy();
    match resolve::resolve(&snapshot.plan, &id) {
        Ok(Resolved::Listed(model)) => Ok(ingress.encode_model(&listed(&model, snapshot.since))),
        Ok(Resolved::Direct(target)) => {
            let owner = target.provider.name.as_ref();
            Ok(ingress.encode_model(&entry(&id, owner, snapshot.since)))
        }
        Err(unknown) => Err(Failure::ModelUnknown { model: id.into_owned(), near: unknown.near }),
    }
}

fn listed(model: &Model, since: u64) -> ModelEntry<'_> {
    let owner = model.targets.first().map_or("penstock", |target| target.provider.name.as_ref());
    entry(model.name.as_ref(), owner, since)
}

fn entry<'a>(id: &'a str, owned_by: &'a str, since: u64) -> ModelEntry<'a> {
    // When a model was made is the provider's to know; since when it is offered, we do.
    ModelEntry { id, owned_by, created: since }
}
