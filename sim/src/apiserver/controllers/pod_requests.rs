//! What pods ask of a node, and what a node has to give.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::apiserver::{object::items, quantity::Quantity};

/// How much there is of each resource: of processors in thousandths, of everything else in whole units.
pub(super) type Amounts = BTreeMap<String, i128>;

/// What a pod asks for while it runs: what its containers ask for together, or what a single one asks for that runs
/// before them, where that is more.
pub(super) fn requests_of(pod: &Value) -> Amounts {
    let spec = &pod["spec"];
    let mut running = Amounts::new();
    for container in items(&spec["containers"]) {
        add(&mut running, &requests(container));
    }
    let mut beside = Amounts::new();
    let mut starting = Amounts::new();
    for container in items(&spec["initContainers"]) {
        let own = requests(container);
        // One that always restarts runs on beside all that come after it.
        if container["restartPolicy"] == "Always" {
            add(&mut running, &own);
            add(&mut beside, &own);
            raise(&mut starting, &beside);
        } else {
            let mut step = beside.clone();
            add(&mut step, &own);
            raise(&mut starting, &step);
        }
    }
    raise(&mut running, &starting);
    add(&mut running, &amounts(&spec["overhead"]));
    running
}

/// What a node gives to pods.
pub(super) fn allocatable(node: &Value) -> Amounts {
    amounts(&node["status"]["allocatable"])
}

/// Adds amounts to others.
pub(super) fn add(to: &mut Amounts, what: &Amounts) {
    for (name, amount) in what {
        *to.entry(name.clone()).or_default() += amount;
    }
}

fn raise(to: &mut Amounts, at_least: &Amounts) {
    for (name, amount) in at_least {
        let present = to.entry(name.clone()).or_default();
        *present = (*present).max(*amount);
    }
}

fn requests(container: &Value) -> Amounts {
    amounts(&container["resources"]["requests"])
}

fn amounts(list: &Value) -> Amounts {
    let read = |(name, text): (&String, &Value)| {
        let quantity = Quantity::parse(text.as_str()?)?;
        let amount = if name == "cpu" { quantity.thousandths() } else { quantity.units() };
        Some((name.clone(), amount))
    };
    list.as_object().into_iter().flatten().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(cpu: &str) -> Value {
        json!({ "resources": { "requests": { "cpu": cpu } } })
    }

    fn sidecar(cpu: &str) -> Value {
        let mut container = container(cpu);
        container["restartPolicy"] = json!("Always");
        container
    }

    fn cpu_of(spec: &Value) -> Option<i128> {
        requests_of(&json!({ "spec": spec })).get("cpu").copied()
    }

    #[test]
    fn containers_run_together_and_what_initializes_runs_before_them() {
        let two = json!([container("100m"), container("1")]);
        assert_eq!(cpu_of(&json!({ "containers": two })), Some(1_100));
        let small = json!({ "containers": two, "initContainers": [container("500m"), container("600m")] });
        assert_eq!(cpu_of(&small), Some(1_100));
        let large = json!({ "containers": two, "initContainers": [container("3")] });
        assert_eq!(cpu_of(&large), Some(3_000));
        let beside = json!({ "containers": two, "initContainers": [sidecar("1"), container("1500m")] });
        assert_eq!(cpu_of(&beside), Some(2_500));
        let overhead = json!({ "containers": two, "overhead": { "cpu": "50m" } });
        assert_eq!(cpu_of(&overhead), Some(1_150));
        assert_eq!(cpu_of(&json!({ "containers": [{}] })), None);
    }
}
