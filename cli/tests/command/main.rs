//! The command as a program: its results, its messages and its exit statuses, against a local Glacier.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is test code, which clippy sees only inside of tests"
)]

mod advice;
mod config;
mod finished;
mod install;
mod limit_file;
mod lost_responses;
mod manual;
mod names;
mod output;
mod resumed;
mod run;
mod service;
mod state;
mod stdin;
mod stops;
mod terminal;
mod upload;
mod variables;
