//! SIGTERM and SIGINT stop the server as `shutdown-on-sigterm` and `shutdown-on-sigint` say.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::shutdown::{Request, ShutdownDesk};
use crate::config::special::ShutdownOptions;
use crate::config::{Config, params};
use crate::exec::Shutdown;

/// Turns signals into wishes to stop, on a thread of its own, as long as the process lives.
pub(super) fn watch(config: &Arc<Config>, desk: &Arc<ShutdownDesk>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (config, desk) = (Arc::clone(config), Arc::clone(desk));
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let (name, options) = match signal {
                SIGINT => ("SIGINT", config.shutdown_options(params::SHUTDOWN_ON_SIGINT)),
                _ => ("SIGTERM", config.shutdown_options(params::SHUTDOWN_ON_SIGTERM)),
            };
            log::info!("received {name}");
            desk.ask(Request { how: how(options), client: None, is_broken: false });
        }
    })?;
    Ok(())
}

fn how(options: ShutdownOptions) -> Shutdown {
    let save = match (
        options.contains(ShutdownOptions::SAVE),
        options.contains(ShutdownOptions::NOSAVE),
    ) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    Shutdown {
        save,
        now: options.contains(ShutdownOptions::NOW),
        force: options.contains(ShutdownOptions::FORCE),
    }
}
