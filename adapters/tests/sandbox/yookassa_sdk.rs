//! The simulated YooKassa under client libraries that others wrote: the provider's own for Python, and one for TypeScript.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use kvit_adapters::sandbox::yookassa::YookassaSettings;
use kvit_adapters::sandbox::yookassa::faults::Outcome;

use crate::yookassa_common::{GATEWAY, SHOP, sandbox_with};

/// Runs a script of `tests/thirdparty` against a sandbox of its own; it must say `ok` at least that often and end well.
async fn drive(program: OsString, script: &str, folder: Option<OsString>, at_least: usize) {
    let running = sandbox_with(YookassaSettings {
        payout_outcome: Outcome::ByHand,
        refund_outcome: Outcome::ByHand,
        ..YookassaSettings::default()
    })
    .await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/thirdparty")
        .join(script);
    let (api, base) = (
        running.yookassa_url().to_string(),
        running.base_url().to_string(),
    );
    let done = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(program);
        command.arg(script).args([&api, &base]);
        command.args([SHOP.0, SHOP.1, GATEWAY.0, GATEWAY.1]);
        if let Some(folder) = folder {
            command.arg(folder);
        }
        command.output().unwrap()
    })
    .await
    .unwrap();
    let said =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    let ok = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(ok >= at_least, "only {ok} checks\n{said}");
}

/// `KVIT_TEST_PYTHON` names a Python that has the packages of `tests/thirdparty/yookassa_requirements.txt`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_providers_own_python_library_gets_along_with_the_simulated_yookassa() {
    let Some(python) = std::env::var_os("KVIT_TEST_PYTHON") else {
        println!(
            "LEFT OUT: KVIT_TEST_PYTHON is not set; see tests/thirdparty/yookassa_requirements.txt"
        );
        return;
    };
    let installed = Command::new(&python)
        .args(["-c", "import yookassa"])
        .output()
        .unwrap();
    if !installed.status.success() {
        println!(
            "LEFT OUT: that Python has no yookassa; see tests/thirdparty/yookassa_requirements.txt"
        );
        return;
    }
    drive(python, "yookassa_client.py", None, 40).await;
}

/// `KVIT_TEST_NODE_DIR` names a folder in which `npm install` was run on `tests/thirdparty/yookassa_node/package.json`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typescript_library_gets_along_with_the_simulated_yookassa() {
    let Some(folder) = std::env::var_os("KVIT_TEST_NODE_DIR") else {
        println!(
            "LEFT OUT: KVIT_TEST_NODE_DIR is not set; see tests/thirdparty/yookassa_node/package.json"
        );
        return;
    };
    let node = std::env::var_os("KVIT_TEST_NODE").unwrap_or_else(|| "node".into());
    drive(node, "yookassa_client.mjs", Some(folder), 25).await;
}
