use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use ms2m_app::io::{SocketDial, SystemClock};
use ms2m_sim::{
    apiserver::{self, ApiServer, Settings},
    network::serve_tcp,
};
use tokio::{net::TcpListener, task::spawn_local};

use super::{Identity, address, write_kubeconfig};

/// The simulation's API server and controllers, on a real port.
pub(in crate::local) struct Simulated {
    api: ApiServer,
}

impl Simulated {
    pub(super) async fn up(work: &Path) -> anyhow::Result<Self> {
        let dial = Arc::new(SocketDial::system_roots().context("the machine's certificate authorities")?);
        let api = ApiServer::new(Arc::new(SystemClock), dial, Settings::default());
        let address = address();
        let listener = TcpListener::bind(&address).await;
        let listener = listener.with_context(|| format!("cannot listen at {address}"))?;
        let served = api.clone();
        spawn_local(serve_tcp(listener, move |stream| apiserver::serve_connection(served.clone(), stream)));
        spawn_local(api.clone().run_controllers());
        for whose in [Identity::Administrator, Identity::Operator] {
            write_kubeconfig(work, whose, &format!("server: \"http://{address}\""), "")?;
        }
        Ok(Self { api })
    }

    pub(super) fn looks_at_migrations(&self) -> usize {
        self.api.looks_at("statefulmigrations")
    }
}
