//! Embeds the folder of migrations, so that a new file needs no list to be edited.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a build script reports by failing and speaks to cargo by stdout"
)]

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    // Asked when it runs: two checkouts may share what was built.
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&crate_folder)
        .join("../migrations")
        .canonicalize()
        .expect("the folder is there");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the folder can be read")
        .map(|entry| {
            entry
                .expect("its entries can be read")
                .file_name()
                .into_string()
                .expect("names are UTF-8")
        })
        .filter(|name| name.ends_with(".sql") && name != "grants.sql")
        .collect();
    names.sort();
    let mut code = String::from("&[\n");
    for name in names {
        let (number, title) = name
            .trim_end_matches(".sql")
            .split_once('_')
            .expect("NNNN_name.sql");
        let number: u32 = number.parse().expect("NNNN_name.sql");
        let path = folder.join(&name);
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(code, "    ({number}, {title:?}, include_str!({path:?})),")
            .expect("a string takes it");
    }
    code.push(']');
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("migrations.rs"), code).expect("the list is written");
}
