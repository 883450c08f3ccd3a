mod checkpoints;
mod deletion;
mod fake_runtime;
mod lifecycle;
mod restart;
mod specs;
mod world;
