//! Starts the simulated services and waits for Ctrl-C: `cargo run -p kvit-adapters --example sandbox -- 8089 [folder]`.

#![allow(
    clippy::print_stdout,
    reason = "it tells the address to whoever starts it"
)]

use std::net::SocketAddr;
use std::path::PathBuf;

use kvit_adapters::sandbox::{Sandbox, SandboxConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().unwrap_or_default().parse().unwrap_or(0);
    let config = SandboxConfig {
        bind: SocketAddr::from(([127, 0, 0, 1], port)),
        dir: arguments.next().map(PathBuf::from),
        ..SandboxConfig::default()
    };
    let token = config.telegram.token.clone();
    let running = Sandbox::start(config).await?;
    println!("{} {token}", running.base_url());
    tokio::signal::ctrl_c().await?;
    running.shutdown().await;
    Ok(())
}
