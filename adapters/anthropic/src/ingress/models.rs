//! The list of models.

use adapters_canonical::ingress::ModelEntry;
use adapters_json::write;
use serde::Serialize;

#[derive(Serialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    lifecycle: &'static str,
}

#[derive(Serialize)]
struct List<'a> {
    data: Vec<Model<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

/// The body that answers `GET /v1/models/{id}`.
pub(super) fn encode_model(model: &ModelEntry<'_>) -> Vec<u8> {
    write::body(&wire(model))
}

/// The body that answers `GET /v1/models`: one page that holds all.
pub(super) fn encode_models(models: &[ModelEntry<'_>]) -> Vec<u8> {
    write::body(&List {
        data: models.iter().map(wire).collect(),
        has_more: false,
        first_id: models.first().map(|model| model.id),
        last_id: models.last().map(|model| model.id),
    })
}

fn wire<'a>(model: &ModelEntry<'a>) -> Model<'a> {
    Model {
        kind: "model",
        id: model.id,
        display_name: model.id,
        created_at: rfc3339(model.created),
        lifecycle: "active",
    }
}

/// Seconds since 1970 as a date and time in UTC, such as `2026-11-27T20:35:00Z`.
fn rfc3339(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March put the leap day last; an era of 400 of them has 146 097 days.
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), date);
        }
    }

    #[test]
    fn the_list_is_one_page() {
        let entry = |id| ModelEntry { id, created: 0, owned_by: "acme" };
        let got: Value =
            serde_json::from_slice(&encode_models(&[entry("a"), entry("team/b")])).unwrap();
        let model = |id: &str| {
            json!({"type": "model", "id": id, "display_name": id, "lifecycle": "active",
                "created_at": "1970-01-01T00:00:00Z"})
        };
        let page = json!({"data": [model("a"), model("team/b")], "has_more": false,
            "first_id": "a", "last_id": "team/b"});
        assert_eq!(got, page);
        let one: Value = serde_json::from_slice(&encode_model(&entry("a"))).unwrap();
        assert_eq!(one, model("a"));
        let none: Value = serde_json::from_slice(&encode_models(&[])).unwrap();
        assert_eq!(none["first_id"], Value::Null);
    }
}
