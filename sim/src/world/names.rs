use ms2m::protocol::names::shadow_pod;

/// What belongs to one workload, by its index in the scenario. The first has the plain names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names(pub usize);

impl Names {
    fn with(self, word: &str) -> String {
        if self.0 == 0 { word.to_owned() } else { format!("{word}-{}", self.0) }
    }

    /// The source pod, and the Service in front of it.
    pub fn source(self) -> String {
        self.with("counter")
    }

    /// The shadow pod.
    pub fn shadow(self) -> String {
        shadow_pod(&self.source())
    }

    /// The migration.
    pub fn migration(self) -> String {
        self.with("move")
    }

    /// The counter's image.
    pub fn image(self) -> String {
        format!("registry:5000/{}:1", self.source())
    }

    /// The primary queue `Q`.
    pub fn queue(self) -> String {
        self.with("orders")
    }

    /// Its binding's key.
    pub fn routing_key(self) -> String {
        format!("{}.new", self.queue())
    }

    /// Where the counter's outputs go: an exchange and a queue.
    pub fn results(self) -> String {
        self.with("results")
    }

    /// The host of the publishers.
    pub fn traffic(self) -> String {
        self.with("traffic")
    }
}

/// A node's name.
pub(super) fn node(index: usize) -> String {
    format!("node-{}", index + 1)
}
