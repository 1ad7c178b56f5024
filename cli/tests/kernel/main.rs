//! The whole product on the real kernel: real packets, a firewall written by hand as an independent
//! witness, and every flow compared with what the client itself saw.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod accounts;
mod alone;
mod answers;
mod attachments;
mod bad_input;
mod demo;
mod devices;
mod edges;
mod matrix;
mod optional;
mod overload;
mod own_firewall;
mod probe;
mod retries;
mod soak;
mod streamed;
mod support;
mod trace;
mod witness;
