//! Names of metrics and labels, all in one place: the GenAI conventions are still in development
//! and will move.
//!
//! Source: <https://github.com/open-telemetry/semantic-conventions-genai>, read in November 2026.
//! Prometheus writes `.` as `_` and puts the unit at the end.

/// `gen_ai.client.operation.duration`
pub const OPERATION_DURATION: &str = "gen_ai_client_operation_duration_seconds";
/// `gen_ai.client.operation.time_to_first_chunk`
pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai_client_operation_time_to_first_chunk_seconds";
/// `gen_ai.client.operation.time_per_output_chunk`
pub const TIME_PER_OUTPUT_CHUNK: &str = "gen_ai_client_operation_time_per_output_chunk_seconds";
/// `gen_ai.client.token.usage`
pub const TOKEN_USAGE: &str = "gen_ai_client_token_usage";

/// `gen_ai.operation.name`
pub const OPERATION: &str = "gen_ai_operation_name";
/// `gen_ai.provider.name`: the provider's name in the configuration.
pub const PROVIDER: &str = "gen_ai_provider_name";
/// `gen_ai.request.model`: the model's name in the configuration.
pub const REQUEST_MODEL: &str = "gen_ai_request_model";
/// `gen_ai.token.type`
pub const TOKEN_TYPE: &str = "gen_ai_token_type";

/// Stands for every model that is not listed in the configuration, whatever the client called it.
pub const UNLISTED_MODEL: &str = "(unlisted)";
/// Stands for what a request had none of, such as the provider of a request that was refused.
pub const NONE: &str = "";

/// Buckets the conventions ask for, in seconds.
pub(crate) const DURATION_BUCKETS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84,
    327.68,
];
/// Buckets the conventions ask for, in seconds.
pub(crate) const FIRST_CHUNK_BUCKETS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    30.0, 60.0, 180.0,
];
/// Buckets the conventions ask for, in seconds.
pub(crate) const PER_CHUNK_BUCKETS: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 10.0];
/// Buckets the conventions ask for, in tokens.
pub(crate) const TOKEN_BUCKETS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
];
