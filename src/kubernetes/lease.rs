//! The Lease by which one of several operators works, used as client-go's leader election uses it.
//!
//! See <https://kubernetes.io/docs/concepts/architecture/leases/> and `k8s.io/client-go/tools/leaderelection`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, ResourceExt as _, api::PostParams};
use tokio::time::Instant;

use super::failure::is_conflict;

/// Name in the `User-Agent` header of whoever asks for the Lease: those requests come all the time, and say nothing of migrations.
pub const USER_AGENT: &str = concat!("ms2m-election/", env!("CARGO_PKG_VERSION"));
/// Field manager of the Lease.
const MANAGER: &str = "ms2m-election";

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The Lease is ours, from before the claim was made on.
    Held,
    /// It is somebody else's, who renews it.
    Taken(String),
    /// Somebody wrote it while we did.
    Contested,
}

/// One party's view of the Lease.
pub struct LeaseClaim {
    leases: Api<Lease>,
    name: String,
    holder: String,
    lasts: Duration,
    /// Which version of another's Lease was seen last, and since when: times in it are another machine's, and count for nothing.
    seen: Option<(Option<String>, Instant)>,
}

impl LeaseClaim {
    /// A claim that was not made yet.
    ///
    /// `holder` is who claims; nobody else who runs may have that name. `lasts` is how long the Lease is good without being renewed.
    pub fn new(client: kube::Client, namespace: &str, name: String, holder: String, lasts: Duration) -> Self {
        Self { leases: Api::namespaced(client, namespace), name, holder, lasts, seen: None }
    }

    /// Takes or renews the Lease, unless another holds it.
    ///
    /// # Errors
    /// When the API server cannot be asked, or refuses; then the Lease may have been taken all the same.
    pub async fn claim(&mut self, now: Timestamp) -> Result<Claim, kube::Error> {
        let Some(lease) = self.leases.get_opt(&self.name).await? else {
            return contested(self.leases.create(&parameters(), &self.taken(None, now)).await);
        };
        if let Some(holder) = self.other_holder(&lease) {
            return Ok(Claim::Taken(holder));
        }
        contested(self.leases.replace(&self.name, &parameters(), &self.taken(Some(lease), now)).await)
    }

    /// Gives the Lease up, so that nobody has to wait until it runs out.
    ///
    /// # Errors
    /// When the API server cannot be asked; then it runs out.
    pub async fn release(&self, now: Timestamp) -> Result<(), kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_ref() != Some(&self.holder) {
            return Ok(());
        }
        spec.holder_identity = None;
        spec.renew_time = Some(MicroTime(now));
        contested(self.leases.replace(&self.name, &parameters(), &lease).await).map(drop)
    }

    /// Who else holds it; nobody where it was given up, or was not renewed for as long as it says while we watched.
    fn other_holder(&mut self, lease: &Lease) -> Option<String> {
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.filter(|holder| !holder.is_empty() && *holder != self.holder)?;
        let lasts = u64::try_from(spec.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
        let version = lease.resource_version();
        let now = Instant::now();
        match &self.seen {
            Some((seen, since)) if *seen == version => {
                (now.duration_since(*since) < Duration::from_secs(lasts)).then_some(holder)
            }
            _ => {
                self.seen = Some((version, now));
                Some(holder)
            }
        }
    }

    /// The Lease as it is when it is ours.
    fn taken(&self, lease: Option<Lease>, now: Timestamp) -> Lease {
        let Lease { metadata, spec } = lease.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: None,
        });
        let before = spec.unwrap_or_default();
        let is_ours = before.holder_identity.as_ref() == Some(&self.holder);
        let transitions = before.lease_transitions.unwrap_or_default();
        let spec = LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: i32::try_from(self.lasts.as_secs()).ok(),
            renew_time: Some(MicroTime(now)),
            acquire_time: before.acquire_time.filter(|_| is_ours).or(Some(MicroTime(now))),
            lease_transitions: Some(if is_ours { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

fn contested(written: Result<Lease, kube::Error>) -> Result<Claim, kube::Error> {
    match written {
        Ok(_) => Ok(Claim::Held),
        Err(error) if is_conflict(&error) => Ok(Claim::Contested),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LASTS: Duration = Duration::from_secs(15);

    fn claim(holder: &str) -> LeaseClaim {
        let service = tower::service_fn(async |_: http::Request<kube::client::Body>| {
            Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("nobody is asked"))
        });
        let client = kube::Client::new(service, "default");
        LeaseClaim::new(client, "default", "ms2m-operator".to_owned(), holder.to_owned(), LASTS)
    }

    fn lease(version: &str, spec: &Value) -> Lease {
        let metadata = json!({"name": "ms2m-operator", "resourceVersion": version});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn another_s_lease_is_free_when_it_was_not_renewed_for_as_long_as_it_lasts_by_our_own_clock() {
        let mut claim = claim("b");
        // What its holder's clock says, it says in vain.
        let held = |version| {
            lease(
                version,
                &json!({
                    "holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2001-01-01T00:00:00.000000Z",
                }),
            )
        };
        assert_eq!(claim.other_holder(&held("1")).as_deref(), Some("a"));
        tokio::time::advance(Duration::from_secs(14)).await;
        assert_eq!(claim.other_holder(&held("1")).as_deref(), Some("a"));
        assert_eq!(claim.other_holder(&held("2")).as_deref(), Some("a"), "it was renewed");
        tokio::time::advance(Duration::from_secs(14)).await;
        assert_eq!(claim.other_holder(&held("2")).as_deref(), Some("a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(claim.other_holder(&held("2")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_given_up_and_what_is_ours_is_free_at_once() {
        let mut claim = claim("b");
        for spec in [json!({}), json!({"holderIdentity": ""}), json!({"holderIdentity": "b"})] {
            assert_eq!(claim.other_holder(&lease("1", &spec)), None, "{spec}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_holder_is_counted_and_a_renewal_keeps_since_when() {
        let claim = claim("b");
        let (then, now): (Timestamp, Timestamp) =
            ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-01T00:00:02Z".parse().unwrap());
        let mine =
            claim.taken(Some(lease("7", &json!({"holderIdentity": "a", "leaseTransitions": 3}))), then);
        assert_eq!(mine.metadata.resource_version.as_deref(), Some("7"), "it is a compare-and-swap");
        let spec = mine.spec.clone().unwrap();
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("b"), Some(4)));
        assert_eq!(spec.lease_duration_seconds, Some(15));
        let renewed = claim.taken(Some(mine), now).spec.unwrap();
        assert_eq!((renewed.lease_transitions, renewed.renew_time), (Some(4), Some(MicroTime(now))));
        assert_eq!(renewed.acquire_time, Some(MicroTime(then)));
    }
}
