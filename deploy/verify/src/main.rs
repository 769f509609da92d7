//! `kvit-verify`: checks a bundle offline. `kvit-verify --help` says how.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kvit_verify::{Options, PublicKey, verify_bundle};

const HELP: &str = "\
Checks a bundle of the history offline: every hash, number, time, signature, checksum and total.

Usage: kvit-verify [OPTIONS] FOLDER

  --key KEY            a public key: 64 hex digits or base64; may be given several times
  --key-file FILE      a file with a public key: hex, base64 or PEM; may be given several times
  --trust-bundled-key  use the key that the bundle names. It proves only that the bundle fits itself
  --checkpoint FILE    checkpoints that were kept elsewhere, one a line; the bundle must hold the same ones
  --allow-unsealed     accept events after the last checkpoint on their chain alone
  --max-line BYTES     longest line (8388608)
  --max-streams N      streams whose numbering is followed (20000000)
  --json               print the report as JSON
  --version, --help

Exit status: 0 all verified; 1 evidence of tampering; 2 wrong usage; 3 incomplete: something could not be checked,
because a file or key is missing, the history is cut off, or a bound was reached.
";

/// What the command line asks for.
enum Wish {
    Say(String),
    Check {
        folder: PathBuf,
        options: Options,
        json: bool,
    },
}

fn main() -> ExitCode {
    let (text, code) = match wish(std::env::args_os().skip(1)) {
        Ok(Wish::Say(text)) => (text, 0),
        Ok(Wish::Check {
            folder,
            options,
            json,
        }) => {
            let report = verify_bundle(&folder, &options);
            let text = if json {
                serde_json::to_string_pretty(&report).map(|text| text + "\n")
            } else {
                Ok(report.to_string())
            };
            match text {
                Ok(text) => (text, report.exit_code()),
                Err(error) => (format!("the report cannot be written: {error}\n"), 3),
            }
        }
        Err(why) => {
            let _nobody_reads_it = write!(
                std::io::stderr(),
                "kvit-verify: {why}\n`kvit-verify --help` says how to use it.\n"
            );
            return ExitCode::from(2);
        }
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(code),
        // An answer that nobody saw is none.
        Err(_) => ExitCode::from(code.max(3)),
    }
}

fn wish(arguments: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let mut arguments = arguments;
    let (mut options, mut json, mut folder) = (Options::default(), false, None);
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{text} needs a value"))
        };
        match text {
            "--help" | "-h" => return Ok(Wish::Say(HELP.to_owned())),
            "--version" | "-V" => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Wish::Say(format!("kvit-verify {version}\n")));
            }
            "--key" => options.keys.push(PublicKey::parse(&plain(value()?)?)?),
            "--key-file" => options.keys.push(key_in(Path::new(&value()?))?),
            "--trust-bundled-key" => options.trust_bundled_key = true,
            "--checkpoint" => options.checkpoints.push(value()?.into()),
            "--allow-unsealed" => options.allow_unsealed = true,
            "--max-line" => options.max_line = number(&plain(value()?)?)?,
            "--max-streams" => options.max_streams = number(&plain(value()?)?)?,
            "--json" => json = true,
            _ if text.starts_with('-') => return Err(format!("there is no option {text}")),
            _ if folder.is_none() => folder = Some(PathBuf::from(argument)),
            _ => return Err("one folder at a time".to_owned()),
        }
    }
    let folder = folder.ok_or("which folder?")?;
    if !folder.is_dir() {
        return Err(format!("{} is no folder", folder.display()));
    }
    Ok(Wish::Check {
        folder,
        options,
        json,
    })
}

fn plain(value: OsString) -> Result<String, String> {
    value
        .into_string()
        .map_err(|_| "a value is not text".to_owned())
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn key_in(path: &Path) -> Result<PublicKey, String> {
    const KEY_FILE_MAX: u64 = 64 * 1024;
    let say = |why: String| format!("{}: {why}", path.display());
    let size = std::fs::metadata(path)
        .map_err(|error| say(error.to_string()))?
        .len();
    if size > KEY_FILE_MAX {
        return Err(say("too large for a key".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| say(error.to_string()))?;
    PublicKey::parse(&text).map_err(say)
}
