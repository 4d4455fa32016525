//! The few calls to the operating system that std lacks.

pub(crate) mod socket;
