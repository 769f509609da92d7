//! The binary `kvit`; everything is in the library of the same name.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;
use kvit::{cli::Cli, ui};

/// OpenMP reads it when the process starts, so setting it later does nothing.
const THREAD_LIMIT: &str = "OMP_THREAD_LIMIT";

fn main() -> ExitCode {
    // Two providers may be in the dependency graph, and rustls refuses to choose. The error says that one is there already.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    if cli.reads_photos() && std::env::var_os(THREAD_LIMIT).is_none() {
        let error = start_again_with_thread_limit();
        ui::complain(&error);
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            ui::complain(&error);
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(cli.run())
}

/// Replaces this process by the same one with the limit in its environment; returns only when that fails.
fn start_again_with_thread_limit() -> std::io::Error {
    match std::env::current_exe() {
        Ok(program) => Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(THREAD_LIMIT, "1")
            .exec(),
        Err(error) => error,
    }
}
