//! A client for commands without transfers.

use std::sync::Arc;

use glacier_mp::client::Client;

use crate::args::ConnectionArgs;
use crate::exit::{Exit, Failure, Result};
use crate::signals::SignalWatch;
use crate::stop::Stop;

/// Calls `job` with a client. A signal stops its calls, and the uploads that `job` adds to the switch.
///
/// # Errors
/// Those of the settings and of `job`.
pub(super) fn with_client<T>(
    connection: &ConnectionArgs,
    job: impl FnOnce(&Arc<Client>, &Stop) -> Result<T>,
) -> Result<T> {
    let client = Client::new(&connection.config()?)?;
    let stop = Arc::new(Stop::new(&client));
    let raised = Arc::clone(&stop);
    let _signals = SignalWatch::start(move || raised.raise(), || {})?;
    // A command without transfers leaves nothing to resume.
    job(&client, &stop).map_err(|failure| match failure.exit {
        Exit::Stopped => Failure { exit: Exit::Failed, ..failure },
        _ => failure,
    })
}
