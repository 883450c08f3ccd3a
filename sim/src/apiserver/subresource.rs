use super::{request::Verb, resource::Resource};

/// A part of an object, or something to be done to it, that has an endpoint of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subresource {
    /// What is said of the object, and not wanted of it.
    Status,
    /// How many pods an owner wants.
    Scale,
    /// Puts a pod on a node.
    Binding,
    /// Deletes a pod as whoever drains a node does.
    Eviction,
}

impl Subresource {
    const ALL: [Self; 4] = [Self::Binding, Self::Eviction, Self::Scale, Self::Status];

    /// The one that a path names, if objects of this kind have it.
    pub(super) fn of(resource: &Resource, name: &str) -> Option<Self> {
        Self::all_of(resource).find(|one| one.name() == name)
    }

    /// All that objects of this kind have, by name.
    pub(super) fn all_of(resource: &Resource) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|one| match one {
            Self::Status => resource.status,
            Self::Scale => {
                matches!(resource.kind.as_str(), "Deployment" | "ReplicaSet" | "StatefulSet")
                    && resource.group == "apps"
            }
            Self::Binding | Self::Eviction => resource.kind == "Pod" && resource.group.is_empty(),
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Binding => "binding",
            Self::Eviction => "eviction",
        }
    }

    /// What can be done to it, in the words of the discovery documents.
    pub(super) fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Status | Self::Scale => &["get", "patch", "update"],
            Self::Binding | Self::Eviction => &["create"],
        }
    }

    pub(super) fn allows(self, verb: Verb) -> bool {
        match self {
            Self::Status | Self::Scale => matches!(verb, Verb::Get | Verb::Patch | Verb::Update),
            Self::Binding | Self::Eviction => verb == Verb::Create,
        }
    }

    /// Group, version and kind of what is sent to it, where that is not the object itself.
    pub(super) fn body(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Status => None,
            Self::Scale => Some(("autoscaling", "v1", "Scale")),
            Self::Binding => Some(("", "v1", "Binding")),
            Self::Eviction => Some(("policy", "v1", "Eviction")),
        }
    }
}
