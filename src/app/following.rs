//! What is followed while everything runs: the configuration's file, and what other nodes say of visitors.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::desk::Desk;
use crate::fanout::{Fanout, What};
use crate::identity::Identity;
use crate::sources::Sources;

/// How often the configuration's file is looked at for other sources and keys.
const LOOK_AT_FILE: Duration = Duration::from_secs(1);

/// Learns at once who may not write when an agent on another node has changed that.
pub(super) async fn blocks(desk: Arc<Desk>, fanout: Arc<Fanout>, stop: CancellationToken) {
    let mut signals = fanout.listen();
    let following = async {
        loop {
            match signals.recv().await {
                Ok(signal) if signal.what != What::Blocked => {}
                // Of those that were missed one may have said so.
                Ok(_) | Err(RecvError::Lagged(_)) => desk.look_for_blocked().await,
                Err(RecvError::Closed) => return,
            }
        }
    };
    stop.run_until_cancelled(following).await;
}

/// Puts the sources, actions and keys of the configuration's file in force whenever they change, until `stop`. A mistake
/// leaves all as they are.
pub(super) async fn file(config: Config, sources: Arc<Sources>, identity: Arc<Identity>, stop: CancellationToken) {
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let (mut outside, mut keys) = (config.outside.clone(), config.identity.clone());
    let mut trouble = None;
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_AT_FILE)).await.is_some() {
        match config.reread(&env) {
            Ok((read, signed)) => {
                trouble = None;
                if read != outside {
                    sources.set(&read.sources);
                    sources.actions().set(&read.actions);
                    tracing::info!(sources = %sources.names().join(", "), "the sources of the configuration are live");
                    outside = read;
                }
                if signed != keys {
                    tracing::info!(keys = ?signed, "the keys of the configuration are live");
                    identity.set(signed.clone());
                    keys = signed;
                }
            }
            Err(error) => {
                if trouble.as_ref() != Some(&error) {
                    tracing::error!("sources, actions and keys stay as they are:\n{error}");
                }
                trouble = Some(error);
            }
        }
    }
}
