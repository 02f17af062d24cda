//! What the subcommands that look at one server at a time have in common: whom to look at and where to write.

use std::path::PathBuf;

use crate::peers::{Program, Shape, Where};
use crate::process::Server;
use crate::report::Report;

/// Flags that these subcommands share.
#[derive(clap::Args, Debug)]
pub struct Subjects {
    #[command(flatten)]
    pub programs: Where,
    /// Servers to look at, one after the other: corelane, redis, valkey, keydb, dragonfly.
    #[arg(long, value_delimiter = ',', default_value = "corelane,redis")]
    pub subjects: Vec<String>,
    /// Cores of servers that can use several.
    #[arg(long, default_value_t = 1)]
    pub cores: u32,
    /// Folder for the table, CSV and charts.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

impl Subjects {
    /// The servers that can be had; the others are named in the report.
    ///
    /// # Errors
    /// When there is none.
    pub fn found(&self, report: &mut Report) -> anyhow::Result<Vec<Program>> {
        let mut programs = Vec::new();
        for name in &self.subjects {
            match self.programs.subject(name) {
                Ok(program) => {
                    report.line(&format!("  {}", program.describe()));
                    programs.push(program);
                }
                Err(error) => report.line(&format!("  {name} is left out: {error:#}")),
            }
        }
        anyhow::ensure!(!programs.is_empty(), "nobody to measure");
        Ok(programs)
    }

    /// Starts one with more directives, free to run on all CPUs of its cores.
    ///
    /// # Errors
    /// As [`Program::start`].
    pub fn start(
        &self,
        program: &Program,
        directives: &[&str],
        report: &mut Report,
    ) -> anyhow::Result<Server> {
        let cores = if program.kind.uses_cores() { self.cores } else { 1 };
        let cpus = if cores == 1 { "0" } else { "0,1" };
        let directives = directives.iter().map(|word| (*word).to_owned()).collect();
        let shape = Shape { cores, cpus: Some(cpus), core_ports: None, directives };
        let server = program.start(self.programs.base_port, &shape)?;
        report.command_line(&server.command_line);
        Ok(server)
    }
}
