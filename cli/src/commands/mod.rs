//! The subcommands.

pub(crate) mod abort;
pub(crate) mod archives;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod parts;
pub(crate) mod plan;
pub(crate) mod resume;
mod service;
pub(crate) mod treehash;
pub(crate) mod upload;
