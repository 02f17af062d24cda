//! The process around the cores, as far as they ask it for anything.

use engine::action::Request;
use engine::core::Process;

/// What a core knows of the process.
pub fn facts(cores: usize) -> Process {
    Process {
        pid: 1,
        cores,
        run_id: "5".repeat(40),
        os: "Linux simulated x86_64".to_owned(),
        arch_bits: 64,
        event_loop: "simulated".to_owned(),
        system_memory: 1 << 34,
        core_ports: (0..cores as u16).map(|core| 7001 + core).collect(),
        node_ids: (0..cores).map(|core| format!("{core:040x}")).collect(),
        ..Process::default()
    }
}

/// What the process answers to a request. It never ends here.
pub fn answer(request: &Request) -> Result<String, String> {
    match request {
        Request::Shutdown { .. } => Err("ERR Errors trying to SHUTDOWN. Check logs.".to_owned()),
        Request::AbortShutdown => Err("ERR No shutdown in progress.".to_owned()),
        Request::RewriteConfig(_) => {
            Err("ERR The server is running without a config file".to_owned())
        }
        _ => Ok("OK".to_owned()),
    }
}
