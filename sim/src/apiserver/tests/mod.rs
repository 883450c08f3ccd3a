mod access;
mod apply;
mod deletion;
mod faults;
mod jobs;
mod objects;
mod proxy;
mod watch;
pub(crate) mod world;
