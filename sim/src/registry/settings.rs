/// What operators of registries set differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What clients may delete.
    pub deletion: Deletion,
    /// Locations are whole URLs, as `distribution` answers by default, and not paths.
    pub whole_locations: bool,
}

/// What a registry lets clients delete; the rest is refused with 405.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    /// Manifests and blobs.
    #[default]
    All,
    /// Manifests; their blobs are for a garbage collection.
    Manifests,
    /// Nothing, as `distribution` does by default.
    Nothing,
}
