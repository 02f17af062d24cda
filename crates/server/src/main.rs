//! Where all meet: configuration, boot, the core loop; builds the binary `corelane`.
#![deny(unsafe_code)]

mod acceptor;
mod boot;
mod config;
mod core_loop;
mod gauge;
mod identity;
mod logging;
mod main_lane;
mod office;
mod parcel;
mod placement;
mod pump;
mod wires;

use config::{Disk, Invocation, Run};
use logging::Logging;
use std::io::Read;
use std::process::ExitCode;

/// What every small object of the process lives in: thread-local heaps, so cores never meet in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    reactor::give_back_on_demand();
    match config::command_line::parse(std::env::args_os().skip(1)) {
        Invocation::Print(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Invocation::Refuse(text) => refuse(&text),
        Invocation::Run(run) => match serve(&run) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refuse(&format!("{error:#}")),
        },
    }
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}

/// Serves until the process is told to end.
fn serve(run: &Run) -> anyhow::Result<()> {
    // What is written before the configuration is known stays huge for good otherwise.
    set_huge_pages(false);
    let mut stdin = Vec::new();
    if run.stdin {
        std::io::stdin().read_to_end(&mut stdin)?;
    }
    let names = engine::table::Table::new(&[]).expect("the table without renames is whole");
    let is_command = |name: &[u8]| names.find(name).is_some();
    let loaded = config::load::load(run, &stdin, &Disk, &is_command)?;
    set_huge_pages(!loaded.settings.flag(base::settings::DISABLE_THP));
    loaded.enter_dir()?;
    let mut logging = Logging::start(&loaded.settings)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut running = boot::start(&loaded)?;
    tracing::info!("Ready to accept connections");
    running.lane.run(&mut logging)?;
    for core in running.cores {
        core.join()?;
    }
    tracing::info!("bye bye...");
    Ok(())
}

/// Has the system back memory by small pages only (`disable-thp`), or by huge ones too. The allocator asks
/// for huge ones by itself where it may, and then whole megabytes are resident for a few bytes: 13 MB of
/// an empty server, and what `maxmemory` cannot count.
fn set_huge_pages(allowed: bool) {
    // A kernel that knows none refuses, and is as well.
    let _ = rustix::thread::disable_transparent_huge_pages(!allowed);
}
