use std::{future::pending, sync::Arc};

use ms2m::operator::{Deps, Settings, health::Health, run as run_operator};
use ms2m_app::io::{OsEntropy, SystemClock};

use super::{cluster::api_config, objects};
use crate::network::SimDial;

/// The operator that ships, on a host of its own.
pub(super) async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let deps = Deps {
        cluster: api_config()?,
        dial: Arc::new(SimDial),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
        health: Health::default(),
        settings: Settings { transfer_image: objects::OPERATOR_IMAGE.to_owned(), ..Settings::default() },
    };
    run_operator(deps, pending()).await?;
    Ok(())
}
