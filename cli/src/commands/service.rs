//! A client for commands without transfers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use glacier_mp::client::Client;
use glacier_mp::sync::lock;
use glacier_mp::upload::Upload;

use crate::args::ConnectionArgs;
use crate::exit::{Exit, Failure, Result};
use crate::signals::SignalWatch;

/// Calls `job` with a client. A signal that stops cancels it, and the handles that `job` adds by its second argument.
///
/// # Errors
/// Those of the settings and of `job`.
pub(super) fn with_client<T>(
    connection: &ConnectionArgs,
    job: impl FnOnce(&Arc<Client>, &dyn Fn(&Arc<Upload>)) -> Result<T>,
) -> Result<T> {
    let client = Client::new(&connection.config()?)?;
    let handles = Arc::new(Mutex::new(Vec::<Arc<Upload>>::new()));
    let (canceled, to_cancel) = (Arc::clone(&client), Arc::clone(&handles));
    let is_stopping = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&is_stopping);
    let stop = move || {
        stopping.store(true, Ordering::SeqCst);
        canceled.cancel();
        let handles = lock(&to_cancel);
        handles.iter().for_each(|upload| upload.cancel());
    };
    let _signals =
        SignalWatch::start(stop, || {}).map_err(|cause| Failure::new(format!("cannot handle signals: {cause}")))?;
    let add = |upload: &Arc<Upload>| {
        lock(&handles).push(Arc::clone(upload));
        if is_stopping.load(Ordering::SeqCst) {
            upload.cancel();
        }
    };
    // A command without transfers leaves nothing to resume.
    job(&client, &add).map_err(|failure| match failure.exit {
        Exit::Stopped => Failure { exit: Exit::Failed, ..failure },
        _ => failure,
    })
}
