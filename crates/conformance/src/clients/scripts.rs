//! redis-py and ioredis, as scripts of their own under `clients/`, in a scratch folder that the caller names.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::{Tally, Target, figures};
use crate::cli::ClientsArgs;
use crate::peer::find_program;

const PYTHON_SCRIPT: &str = include_str!("../../clients/redis_py.py");
const NODE_SCRIPT: &str = include_str!("../../clients/ioredis.js");

/// Runs the scripts that were asked for.
pub fn run(args: &ClientsArgs, target: &Target, tally: &mut Tally) {
    if args.python {
        tally.note("redis-py", in_scratch(args, |folder| python(args, target, folder)));
    }
    if args.node {
        tally.note("ioredis", in_scratch(args, |folder| node(args, target, folder)));
    }
}

fn in_scratch(args: &ClientsArgs, work: impl FnOnce(&Path) -> Result<String>) -> Result<String> {
    match &args.scratch {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            work(&std::path::absolute(folder)?)
        }
        None => bail!("say where its packages may be installed: --scratch FOLDER"),
    }
}

fn python(args: &ClientsArgs, target: &Target, folder: &Path) -> Result<String> {
    let venv = folder.join("venv");
    let interpreter = venv.join("bin/python");
    if !interpreter.is_file() {
        let system = find_program("python3")?;
        shell(Command::new(system).args(["-m", "venv"]).arg(&venv))?;
        shell(Command::new(&interpreter).args(["-m", "pip", "install", "--quiet", "redis"]))?;
    }
    let script = written(folder, "redis_py.py", PYTHON_SCRIPT)?;
    with_figures(args, target, Command::new(interpreter).arg(script))
}

fn node(args: &ClientsArgs, target: &Target, folder: &Path) -> Result<String> {
    let prefix = folder.join("node");
    if !prefix.join("node_modules/ioredis").is_dir() {
        std::fs::create_dir_all(&prefix)?;
        let npm = find_program("npm")?;
        shell(
            Command::new(npm)
                .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
                .arg(&prefix)
                .arg("ioredis"),
        )?;
    }
    let script = written(&prefix, "ioredis.js", NODE_SCRIPT)?;
    with_figures(args, target, Command::new(find_program("node")?).arg(script))
}

/// Writes the text of a script into a folder; gives its path.
pub fn written(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Runs a script with `HOST PORT CLUSTER_PORT KEYS` (cluster port 0: none) and adds the hops that its cluster part cost.
fn with_figures(args: &ClientsArgs, target: &Target, command: &mut Command) -> Result<String> {
    let host = target.addr.ip().to_string();
    let keys = args.script_keys.to_string();
    // The plain part hops of course, so the cluster part runs as a second call.
    let plain = output(command.args([host.as_str(), &target.addr.port().to_string(), "0", &keys]))?;
    let Some(node) = target.cluster else {
        return Ok(plain);
    };
    let mut said = String::new();
    let mut second = Command::new(command.get_program());
    second.args(command.get_args().take(1)).args([
        host.as_str(),
        &target.addr.port().to_string(),
        &node.port().to_string(),
        &keys,
    ]);
    let (hops, moved) = figures::hops_during(target.addr, None, || {
        said = output(&mut second)?;
        Ok(())
    })?;
    ensure!(moved == 0, "{moved} MOVED replies");
    ensure!(hops == 0, "{hops} hops for {} requests", 2 * args.script_keys);
    Ok(format!("{plain}; {said}, no MOVED, no hop"))
}

fn shell(command: &mut Command) -> Result<()> {
    output(command).map(|_| ())
}

/// The last line that a program prints; its errors when it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let done =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {shown}"))?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    if !done.status.success() {
        bail!("{shown} failed:\n{text}{}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(text.lines().last().unwrap_or_default().to_owned())
}
