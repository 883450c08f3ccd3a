//! A simulated Kubernetes API server with the controllers that a migration needs.
