//! A stateful counter service, its traffic generator, and the verifier that compares the two.
//!
//! ```text
//!   traffic ──publishes──► exchange ──► queue ──► Counter (on ms2m-app's Consumer) ──GET /state──► StateView
//!      │                                                                                             │
//!      └──────────────── Record: what was confirmed ───────────► verify::compare ◄───────────────────┘
//! ```
#![forbid(unsafe_code)]

mod counter;
mod http;
mod state;
pub mod topology;
pub mod traffic;
pub mod verify;
mod view;

pub use counter::{Body, Counter, OutputTo};
pub use http::serve_http;
pub use state::{CounterState, ProducerState, Run};
pub use view::{StateView, view};
