//! Looks at the gateway from outside, second by second.

use std::fs;
use std::time::Duration;

use crate::gateway::{Gateway, sum};

/// What the process holds at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) descriptors: usize,
    /// In KiB.
    pub(super) resident: usize,
    pub(super) in_flight: usize,
    pub(super) upstream_connections: usize,
}

impl Look {
    pub(super) async fn at(gateway: &Gateway) -> Self {
        let process = format!("/proc/{}", gateway.pid());
        let metrics = gateway.metrics().await;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of a few hundred"
        )]
        let metric = |name| sum(&metrics, name, &[]) as usize;
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            descriptors: fs::read_dir(format!("{process}/fd")).unwrap().count(),
            resident: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            in_flight: metric("penstock_requests_in_flight"),
            upstream_connections: metric("penstock_upstream_connections"),
        }
    }
}

/// Looks once a second until it is dropped from a `select`.
pub(super) async fn watch(gateway: &Gateway, looks: &mut Vec<Look>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        looks.push(Look::at(gateway).await);
    }
}

/// The middle and the largest of something over many looks.
pub(super) fn middle_and_most(looks: &[Look], of: impl Fn(&Look) -> usize) -> (usize, usize) {
    let mut all: Vec<_> = looks.iter().map(of).collect();
    all.sort_unstable();
    (all.get(all.len() / 2).copied().unwrap_or(0), all.last().copied().unwrap_or(0))
}
