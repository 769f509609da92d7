//! The steps of a drill, timed, and what each found.

use std::fmt::Write as _;
use std::time::Instant;

use kvit_projections::export::snapshot::Facts;
use serde::Serialize;

use crate::audit::Verdict;

/// A step that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What was done.
    pub name: &'static str,
    /// How long it took.
    pub elapsed_ms: u64,
    /// What was found, in words.
    pub found: String,
    /// What is not as it should be; empty when all is well.
    pub differences: Vec<String>,
}

/// What a drill found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Drill {
    /// The steps in their order.
    pub steps: Vec<Step>,
}

impl Drill {
    /// Notes a step.
    pub fn note(
        &mut self,
        name: &'static str,
        begun: Instant,
        found: impl Into<String>,
        differences: Vec<String>,
    ) {
        self.steps.push(Step {
            name,
            elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            found: found.into(),
            differences,
        });
    }

    /// The answer. A drill that could not be carried out has none; that is an error, not a verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.steps.iter().all(|step| step.differences.is_empty()) {
            Verdict::Equal
        } else {
            Verdict::Different
        }
    }

    /// All of it for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut total = 0_u64;
        for step in &self.steps {
            total = total.saturating_add(step.elapsed_ms);
            let mark = if step.differences.is_empty() {
                "ok"
            } else {
                "DIFFERENT"
            };
            let _never = writeln!(
                out,
                "{:>8} ms  {:<10} {mark}: {}",
                step.elapsed_ms, step.name, step.found
            );
            for difference in &step.differences {
                let _never = writeln!(out, "             {}", difference.trim_end());
            }
        }
        let answer = match self.verdict() {
            Verdict::Equal => "the backup is whole",
            _ => "THE BACKUP IS NOT WHAT ITS MANIFEST SAYS",
        };
        let _never = writeln!(out, "{total:>8} ms  in all; {answer}");
        out
    }
}

/// How a restored database differs from the manifest, a line each.
pub(super) fn compare(manifest: &Facts, restored: &Facts) -> Vec<String> {
    let value = |facts: &Facts| serde_json::to_value(facts).unwrap_or_default();
    let (should, is) = (value(manifest), value(restored));
    let mut lines = Vec::new();
    walk("", &should, &is, &mut lines);
    lines
}

fn walk(path: &str, should: &serde_json::Value, is: &serde_json::Value, lines: &mut Vec<String>) {
    match (should, is) {
        (serde_json::Value::Object(one), serde_json::Value::Object(other)) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let none = serde_json::Value::Null;
                let (a, b) = (
                    one.get(key).unwrap_or(&none),
                    other.get(key).unwrap_or(&none),
                );
                walk(&format!("{path}.{key}"), a, b, lines);
            }
        }
        (should, is) if should == is => {}
        (should, is) => lines.push(format!(
            "{}: the manifest says {should}, the restored database {is}",
            path.trim_start_matches('.')
        )),
    }
}
