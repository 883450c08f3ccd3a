//! Everything that is said to Kubernetes: the API server and the kubelets.

pub mod client;
mod dialed_stream;
#[cfg(test)]
mod loopback;
