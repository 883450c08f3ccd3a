//! A stateful counter service, its traffic generator, and the verifier that compares the two.
#![forbid(unsafe_code)]
