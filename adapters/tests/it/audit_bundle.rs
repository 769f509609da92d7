//! Bundles: what one implementation writes, the other one checks.

use std::path::{Path, PathBuf};

use kvit_adapters::audit::{AuditFault, Manifest, export_bundle};
use kvit_verify::{Kind, Options, PublicKey, Report, Verdict, verify_bundle};

use crate::audit_world::World;

/// The check that an auditor makes who has the world's key.
pub fn check(bundle: &Path, world: &World) -> Report {
    let key = PublicKey::parse(&world.key.public().to_string()).unwrap();
    let options = Options {
        keys: vec![key],
        ..Options::default()
    };
    verify_bundle(bundle, &options)
}

async fn export(world: &World, until: Option<i64>) -> (tempfile::TempDir, PathBuf, Manifest) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    let manifest = export_bundle(&world.db.pool, until, &bundle).await.unwrap();
    (folder, bundle, manifest)
}

#[tokio::test]
async fn a_bundle_of_a_good_log_is_verified_by_the_other_implementation() {
    let world = World::sealed().await;
    let (_kept, bundle, manifest) = export(&world, None).await;
    assert_eq!(
        (manifest.until, manifest.events, manifest.checkpoints),
        (20, 20, 2)
    );
    assert_eq!(manifest.public_keys, [world.key.public()]);
    let report = check(&bundle, &world);
    assert_eq!(report.verdict, Verdict::Verified, "{report}");
    assert_eq!(
        (report.events, report.checkpoints, report.sealed_to),
        (20, 2, 20)
    );
    assert_eq!(report.hash, world.checkpoints[1].checkpoint().hash);

    // The same log gives the same bytes, and nothing is written over.
    let (_kept, again, _) = export(&world, None).await;
    for name in ["manifest.json", "events.jsonl", "checkpoints.jsonl"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert_eq!(read(&bundle), read(&again), "{name}");
    }
    let second = export_bundle(&world.db.pool, None, &bundle).await;
    assert!(matches!(second, Err(AuditFault::Fatal(_))), "{second:?}");
    let left: Vec<_> = std::fs::read_dir(bundle.parent().unwrap())
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn a_bundle_ends_at_the_last_checkpoint_or_where_it_is_told() {
    let world = World::sealed().await;
    world.grow(3).await;
    let (_kept, bundle, manifest) = export(&world, None).await;
    assert_eq!(
        (manifest.until, check(&bundle, &world).exit_code()),
        (20, 0)
    );
    let (_kept, bundle, manifest) = export(&world, Some(10)).await;
    assert_eq!((manifest.until, manifest.checkpoints), (10, 1));
    assert_eq!(check(&bundle, &world).exit_code(), 0);

    // Between checkpoints the end is chained, but nobody has signed it.
    let (_kept, bundle, manifest) = export(&world, Some(23)).await;
    assert_eq!(manifest.until, 23);
    let report = check(&bundle, &world);
    assert_eq!(report.exit_code(), 3, "{report}");
    let found: Vec<_> = report.findings.iter().map(|found| found.kind).collect();
    assert_eq!(found, [Kind::Unsealed]);
}

#[tokio::test]
async fn events_of_any_spelling_come_through() {
    let mut world = World::empty().await;
    let stream = kvit_domain::event::StreamId::new("receipt", "r");
    let odd = "{ \"Odd\" :\n {\"a\":\"\\u0061ї\\u0000\\\"\u{2028}\", \"n\":1.0e2,\t\"big\":123456789012345678901234567890} }";
    world
        .append(&stream, 0, crate::support::event("Odd", odd))
        .await;
    world.seal().await;
    let (_kept, bundle, _) = export(&world, None).await;
    let report = check(&bundle, &world);
    assert_eq!(report.exit_code(), 0, "{report}");
    let lines = std::fs::read_to_string(bundle.join("events.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(line["payload"], odd);
}

#[tokio::test]
async fn a_bundle_of_a_log_that_was_tampered_with_shows_it() {
    let cases = [
        (
            "UPDATE events SET event_type = 'Other' WHERE position = 7",
            Kind::Changed,
            7,
            1,
        ),
        (
            "UPDATE events SET metadata = (metadata::text || ' ')::json WHERE position = 7",
            Kind::Changed,
            7,
            1,
        ),
        (
            "UPDATE events SET hash = sha256('x') WHERE position = 7",
            Kind::Changed,
            7,
            1,
        ),
        (
            "UPDATE events SET event_type = 'Other' WHERE position = 7; SELECT pg_temp.own_hash(7)",
            Kind::Changed,
            8,
            1,
        ),
        ("DELETE FROM events WHERE position = 7", Kind::Removed, 7, 1),
        (
            "DELETE FROM events WHERE position = 7; SELECT pg_temp.renumber(8, -1)",
            Kind::Removed,
            7,
            1,
        ),
        (
            "SELECT pg_temp.renumber(7, 1); INSERT INTO events SELECT 7, gen_random_uuid(), 'wallet', 'x', 1, 'Posted', '1', '{\"Posted\":{}}', '{}', recorded_at, hash FROM events WHERE position = 6; SELECT pg_temp.own_hash(7)",
            Kind::Inserted,
            7,
            1,
        ),
        (
            "SELECT pg_temp.move(7, 999), pg_temp.move(12, 7), pg_temp.move(999, 12)",
            Kind::Swapped,
            7,
            1,
        ),
        (
            "SELECT pg_temp.move(7, 999), pg_temp.move(8, 7), pg_temp.move(999, 8)",
            Kind::Swapped,
            7,
            1,
        ),
        (
            "SELECT pg_temp.move(6, 999), pg_temp.move(9, 6), pg_temp.move(12, 9), pg_temp.move(999, 12)",
            Kind::Reordered,
            6,
            1,
        ),
        (
            "UPDATE events SET event_type = 'Other' WHERE position = 13; SELECT pg_temp.rechain(13)",
            Kind::Rewritten,
            11,
            1,
        ),
        (
            "DELETE FROM events WHERE position > 17",
            Kind::Truncated,
            18,
            3,
        ),
        (
            "UPDATE checkpoints SET signature = set_byte(signature, 5, 7) WHERE position = 10",
            Kind::Signature,
            10,
            1,
        ),
        (
            "DELETE FROM checkpoints WHERE position = 10",
            Kind::Checkpoint,
            20,
            1,
        ),
    ];
    for (sql, kind, position, code) in cases {
        let world = World::sealed().await;
        world.tamper(sql).await;
        let (_kept, bundle, _) = export(&world, None).await;
        let report = check(&bundle, &world);
        assert_eq!(report.exit_code(), code, "{sql}: {report}");
        let named = report
            .findings
            .iter()
            .any(|found| found.kind == kind && found.position == Some(position));
        assert!(named, "{sql}: {report}");
        // Both implementations come to the same answer.
        assert_eq!(world.verify().await.exit_code(), code, "{sql}");
    }
}

/// `KVIT_BLESS=1 cargo test -p kvit-adapters --test it golden_bundle` writes the bundle that kvit-verify is tried on, if
/// there is none. It stays as it is: bundles that were written once must be readable for ever.
#[tokio::test]
async fn the_golden_bundle_is_one_that_this_program_writes() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/verify/tests/golden");
    let mut world = World::sealed().await;
    if std::env::var_os("KVIT_BLESS").is_some() && !golden.join("bundle").exists() {
        world.grow(5).await;
        world.seal().await;
        std::fs::create_dir_all(&golden).unwrap();
        export_bundle(&world.db.pool, None, &golden.join("bundle"))
            .await
            .unwrap();
        std::fs::write(golden.join("key.hex"), format!("{}\n", world.key.public())).unwrap();
    }
    // Its key is the one of these tests, and its manifest is one of today's.
    let key = std::fs::read_to_string(golden.join("key.hex")).unwrap();
    assert_eq!(key.trim(), world.key.public().to_string());
    let text = std::fs::read(golden.join("bundle/manifest.json")).unwrap();
    let manifest: Manifest = serde_json::from_slice(&text).unwrap();
    assert_eq!((manifest.until, manifest.checkpoints), (25, 3));
    assert_eq!(check(&golden.join("bundle"), &world).exit_code(), 0);
}
