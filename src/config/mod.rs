//! The settings of a client. Explicit settings override the environment, which overrides the selected profile.

mod region;
mod resolve;
mod settings;
mod trust;

pub use self::resolve::ResolvedConfig;
pub use self::settings::{Config, MEMORY_LIMIT_MIN};
