//! The simulated Bot API under client libraries that others wrote: what they accept, our bot's real counterpart may be.

use std::path::Path;
use std::process::Command;

use crate::support::platform::Outside;
use crate::support::turn;

/// `KVIT_TEST_PYTHON` names a Python that has the packages of `tests/thirdparty/requirements.txt`. They come from a
/// registry, so without it the test says that it was left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_foreign_client_libraries_get_along_with_the_simulated_bot_api() {
    let Some(python) = std::env::var_os("KVIT_TEST_PYTHON") else {
        println!("LEFT OUT: KVIT_TEST_PYTHON is not set; see tests/thirdparty/requirements.txt");
        return;
    };
    let _turn = turn().await;
    let outside = Outside::start(1).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("thirdparty/telegram_clients.py");
    let env = outside.env();
    let token = env
        .iter()
        .find(|(name, _)| name == "TELEGRAM_BOT_TOKEN")
        .unwrap()
        .1
        .clone();
    let base = outside.running.base_url().to_string();
    let done = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .arg(script)
            .args([base.trim_end_matches('/'), &token])
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let said =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(
        said.lines().filter(|line| line.starts_with("ok ")).count() > 20,
        "{said}"
    );
}
