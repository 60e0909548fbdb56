//! `purser serve`: the server, until a signal.

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::app::App;
use crate::config::Config;
use crate::web;

/// Runs the server until it is told to stop.
pub fn run(config: Config) -> anyhow::Result<ExitCode> {
    let files = raise_file_limit();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Whoever knows better says so in the environment, as everywhere with this runtime.
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        runtime.worker_threads(workers());
    }
    let runtime = runtime.enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(serve(config, files))?;
    Ok(ExitCode::SUCCESS)
}

/// One thread fewer than there are cores. The writer's thread has the last one: with as many workers as cores it waits for
/// them and they for it, and on two cores a message took a third more CPU and twice the time.
fn workers() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

async fn serve(config: Config, files: Option<u64>) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    // First of all, so that a second server on this port says so before it touches the store.
    let listener = bind(&config.listen).await?;
    anyhow::ensure!(
        !config.limits.off || listener.local_addr()?.ip().is_loopback(),
        "limits: `off` is for measuring, and others can connect to {}; leave it out, or listen on 127.0.0.1",
        config.listen
    );
    anyhow::ensure!(
        !config.test_echo || listener.local_addr()?.ip().is_loopback(),
        "--test-echo is for tests, and others can connect to {}; listen on 127.0.0.1",
        config.listen
    );
    let sockets = config.limits.sockets;
    let app = App::build(config).await?;
    announce(&app, &listener, files)?;
    // The database, the content and the connections that are closing need some, too.
    if let Some(files) = files.filter(|files| *files < u64::from(sockets) + 200) {
        tracing::warn!(
            "only {files} files may be open, so fewer than the {sockets} chats of limits.sockets find a place: raise \
             the limit (LimitNOFILE of systemd, ulimit -n), or lower limits.sockets"
        );
    }
    app.run(listener, stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The lines of the start, on standard output: whoever starts purser waits for them.
fn announce(app: &App, listener: &TcpListener, files: Option<u64>) -> anyhow::Result<()> {
    let mut lines = format!("purser {} is listening on http://{}\n", env!("CARGO_PKG_VERSION"), listener.local_addr()?);
    for line in app.describe() {
        lines.push_str(&format!("  {line}\n"));
    }
    if let Some(files) = files {
        lines.push_str(&format!("  files    {files} may be open\n"));
    }
    let findings = app.content().findings();
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let counts = [(errors, "error"), (findings.len() - errors, "warning")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> =
        counts.map(|(count, what)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" })).collect();
    if !counts.is_empty() {
        lines.push_str(&format!("  findings {}; `purser check` shows them\n", counts.join(", ")));
    }
    // All at once: whoever has read the first line may not be there for the others.
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    Ok(())
}

async fn bind(listen: &str) -> anyhow::Result<TcpListener> {
    let bound = async {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        // A name may stand for several addresses; the first that can be had is taken.
        for address in tokio::net::lookup_host(listen).await? {
            match web::listen(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    bound.await.map_err(|error: io::Error| {
        let way_out = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; stop it, or take another port with --listen HOST:PORT"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need more rights; take another one with --listen HOST:PORT"
            }
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address; 0.0.0.0 stands for all it has",
            _ => return anyhow::Error::new(error).context(format!("cannot listen on {listen}")),
        };
        anyhow::anyhow!("cannot listen on {listen}: {way_out}")
    })
}

/// Ready at the first signal to stop. A second one ends the process at once. Listens from now on.
#[cfg(unix)]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut next = async move || {
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
        }
    };
    Ok(async move {
        next().await;
        tracing::info!("stopping when the work under way is done; a second signal stops at once");
        tokio::spawn(async move {
            let signal = next().await;
            tracing::warn!("stopped at once");
            std::process::exit(128 + signal);
        });
    })
}

#[cfg(not(unix))]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Without the signal there is only the hard way to stop.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::spawn(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    })
}

/// Each customer is an open file, and many systems allow only 1,024 of them unless asked for more. How many may be
/// open now; `None`: as many as memory holds.
#[cfg(unix)]
fn raise_file_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: now.maximum, maximum: now.maximum };
    if now.current != now.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    getrlimit(Resource::Nofile).current
}

#[cfg(not(unix))]
fn raise_file_limit() -> Option<u64> {
    None
}
