//! The registry as a host of the network: who asks it for what, and what goes wrong then.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Container, Machines, State,
    machines::{Ailment, Request},
    rare::{PUSHED_OVER_BLOBS, PUSHED_UNHEARD},
    transfer::{Handled, PushUnderWay},
};
use crate::{
    network,
    registry::{self, Asked, Kind, Store, Treat, Treatment},
};

/// Its name on the network.
pub(super) const HOST: &str = "registry";
/// Its port.
const PORT: u16 = 5_000;

/// What the registry stores; it outlives the host that serves it.
pub(super) type SharedStore = Arc<Mutex<Store>>;

/// Serves it on the simulated host that is running.
pub(super) async fn run(machines: Machines) -> turmoil::Result {
    let store = machines.lock().registry.clone();
    let handle = move |stream, peer| {
        let client = Client { machines: machines.clone(), peer };
        registry::serve_connection(store.clone(), Arc::new(client), stream)
    };
    network::serve_peers(PORT, handle).await
}

impl State {
    /// What the registry stores.
    pub(super) fn registry(&self) -> MutexGuard<'_, Store> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's other end.
struct Client {
    machines: Machines,
    peer: IpAddr,
}

impl Treat for Client {
    fn treat(&self, asked: &Asked) -> Treatment {
        let mut state = self.machines.lock();
        let treatment = treatment(&mut state, asked.what);
        let from = self.peer.to_string();
        let transfer = state.containers.iter().find(|(_, container)| container.pod_ip == from);
        if let Some((id, pod)) = transfer.map(|(id, it)| (id.clone(), it.pod.clone())) {
            state.follow(&id, &pod, asked, treatment);
        }
        treatment
    }
}

fn treatment(state: &mut State, what: Kind) -> Treatment {
    let uploads = matches!(what, Kind::StartUpload | Kind::Chunk | Kind::FinishUpload);
    let manifest = what == Kind::PutManifest;
    let refuse = |status, code, message| Treatment::Refuse { status, code, message };
    if state.meets(Ailment::RegistryHangs) {
        Treatment::Hang
    } else if state.meets(Ailment::RegistryDown) {
        refuse(503, "UNAVAILABLE", "service unavailable")
    } else if (uploads || manifest) && state.meets(Ailment::RefusesPushes) {
        refuse(403, "DENIED", "requested access to the resource is denied")
    } else if what == Kind::Chunk && state.meets(Ailment::TruncatesPushes) {
        Treatment::BreakInBody
    } else if manifest && state.meets(Ailment::RefusesManifests) {
        refuse(500, "UNKNOWN", "unknown error")
    } else if manifest && state.meets(Ailment::CrashesTransfers) {
        Treatment::BreakInBody
    } else if manifest && state.meets(Ailment::LosesPushAnswers) {
        Treatment::ServeAndBreak
    } else {
        Treatment::Serve
    }
}

impl State {
    /// What a transfer's request means for what is known of it.
    fn follow(&mut self, id: &str, pod: &str, asked: &Asked, treatment: Treatment) {
        let is_done = matches!(treatment, Treatment::Serve | Treatment::ServeAndBreak);
        match asked.what {
            Kind::StartUpload if is_done => {
                let has_blobs = self.pushed_archive(id).is_some_and(|archive| {
                    let digest = archive.digest();
                    self.registry().blob(&digest).is_some()
                });
                self.reached.reach_if(has_blobs && !self.halfway.contains(id), PUSHED_OVER_BLOBS);
            }
            Kind::FinishUpload if is_done => drop(self.halfway.insert(id.to_owned())),
            Kind::PutManifest if is_done => {
                self.halfway.remove(id);
                self.reached.reach_if(treatment == Treatment::ServeAndBreak, PUSHED_UNHEARD);
                if let Some((repository, tag)) = named_manifest(&asked.path) {
                    let (repository, tag) = (repository.to_owned(), tag.to_owned());
                    let (container_id, pod) = (id.to_owned(), pod.to_owned());
                    self.pushes.push(PushUnderWay { container_id, pod, repository, tag });
                }
            }
            Kind::PutManifest if self.has(Ailment::CrashesTransfers) => {
                self.requests.push_back(Request::Kill { container_id: id.to_owned() });
            }
            Kind::DeleteManifest if is_done => {
                let deleted = named_manifest(&asked.path)
                    .and_then(|(repository, named)| self.checkpoint_of(&self.registry(), repository, named));
                if let Some(archive) = deleted {
                    self.note_handling(pod, Handled::ImageDeleted, &archive.pod_uid);
                }
            }
            _ => {}
        }
    }

    /// What pushes have put into the registry since this was last asked.
    pub(super) fn note_pushes(&mut self) {
        for push in std::mem::take(&mut self.pushes) {
            let archive = self.checkpoint_of(&self.registry(), &push.repository, &push.tag);
            if let Some(archive) = archive {
                self.note_handling(&push.pod, Handled::Pushed(push.tag), &archive.pod_uid);
            } else if self.containers.get(&push.container_id).is_some_and(Container::runs) {
                self.pushes.push(push);
            }
        }
    }
}

/// Repository and reference in `/v2/REPOSITORY/manifests/REFERENCE`.
fn named_manifest(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/v2/")?.rsplit_once("/manifests/")
}
