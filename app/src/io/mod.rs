//! The only place where a byte stream, the time, or randomness enters the program.
//!
//! ```text
//!   protocol, consumer, publisher, operator …        decide nothing by clock, thread or chance
//!                     │
//!             Dial · Clock · Entropy
//!              │                  │
//!      sockets + TLS       the simulator's network, virtual time and seed
//! ```

mod amqp_kit;
mod clock;
mod dial;
mod entropy;
mod socket;

pub use clock::{Clock, SystemClock};
pub use dial::{BoxStream, Dial, Endpoint, Stream};
pub use entropy::{Entropy, OsEntropy};
pub use socket::SocketDial;
