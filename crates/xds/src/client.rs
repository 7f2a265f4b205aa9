//! The proxy's side of ADS: one [`Session`] per control plane, which outlives its streams, and its [`Driver`].

mod backoff;
mod driver;
mod interest;
mod reading;
mod session;
mod status;

pub use backoff::Backoff;
pub use driver::{Connect, Credentials, Driver, Handle, Settings, open};
pub use reading::Malformed;
pub use session::{Session, Ticket, Update};
pub use status::{Connection, Failure};
