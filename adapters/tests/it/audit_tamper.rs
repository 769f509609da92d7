//! Somebody who rules the database changes its history in every way, and the check says what they did.

use futures::StreamExt;
use kvit_adapters::audit::{Kind, Verdict, VerifyOptions};
use kvit_commands::ports::vault::Vault;
use kvit_domain::event::StreamId;

use crate::audit_world::{World, key, kinds, now, the};
use crate::support::event;

const CHANGE: &str =
    r#"UPDATE events SET payload = replace(payload::text, '107', '907')::json WHERE position = 7;"#;

#[tokio::test]
async fn an_untouched_log_is_intact() {
    let world = World::sealed().await;
    let report = world.verify().await;
    assert_eq!(report.verdict, Verdict::Intact, "{report:#?}");
    assert_eq!(
        (report.events, report.position, report.checkpoints),
        (20, 20, 2)
    );
    assert_eq!((report.sealed_to, report.exit_code()), (20, 0));
    assert_eq!(report.hash, world.checkpoints[1].checkpoint().hash);
    assert_eq!(report.totals, world.checkpoints[1].checkpoint().totals);

    // What came after the last checkpoint is chained but not signed; who wants it signed is told so.
    world.grow(2).await;
    let report = world.verify().await;
    assert_eq!(
        (report.verdict, report.position, report.sealed_to),
        (Verdict::Intact, 22, 20)
    );
    let strict = VerifyOptions {
        keys: vec![world.key.public()],
        require_sealed: true,
        ..VerifyOptions::default()
    };
    let report = world.verify_with(strict).await;
    assert_eq!(
        (report.verdict, report.exit_code()),
        (Verdict::Incomplete, 3)
    );
    assert_eq!(
        (
            the(&report, Kind::Unsealed).position,
            the(&report, Kind::Unsealed).other
        ),
        (Some(21), Some(22))
    );
}

/// One kind of tampering: what is done, what must be found, where, and the other place.
type Case = (&'static str, Kind, i64, Option<i64>);

const CASES: &[Case] = &[
    // Any field.
    (
        "UPDATE events SET payload = replace(payload::text, '\"n\":7', '\"n\":8')::json WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET metadata = '{\"actor\":\"user:2\",\"correlation_id\":\"c-1\"}' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET event_id = gen_random_uuid() WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET event_type = 'Other' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET event_version = '2' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET aggregate_id = 'other' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET aggregate_type = 'other' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET sequence = 99 WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET recorded_at = recorded_at + interval '1 microsecond' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET recorded_at = 'infinity' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET recorded_at = '290000-01-01Z' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    // The same JSON in another spelling is another text.
    (
        "UPDATE events SET payload = (' ' || payload::text)::json WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET payload = payload::jsonb::text::json WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET metadata = (metadata::text || ' ')::json WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET metadata = replace(metadata::text, '{', '{\"actor\":\"user:1\",')::json WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET metadata = '[]' WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    // The hash alone, and a field together with its hash: then it is the next link that breaks.
    (
        "UPDATE events SET hash = sha256('x') WHERE position = 7",
        Kind::Changed,
        7,
        None,
    ),
    (
        "UPDATE events SET event_type = 'Other' WHERE position = 7; SELECT pg_temp.own_hash(7)",
        Kind::Changed,
        8,
        None,
    ),
    (
        "UPDATE events SET event_type = 'Other' WHERE position = 1",
        Kind::Changed,
        1,
        None,
    ),
    (
        "UPDATE events SET event_type = 'Other' WHERE position = 20",
        Kind::Changed,
        20,
        None,
    ),
    // Gone.
    (
        "DELETE FROM events WHERE position = 7",
        Kind::Removed,
        7,
        Some(7),
    ),
    (
        "DELETE FROM events WHERE position BETWEEN 7 AND 9",
        Kind::Removed,
        7,
        Some(9),
    ),
    (
        "DELETE FROM events WHERE position = 1",
        Kind::Removed,
        1,
        Some(1),
    ),
    (
        "DELETE FROM events WHERE position = 7; SELECT pg_temp.renumber(8, -1)",
        Kind::Removed,
        7,
        None,
    ),
    (
        "DELETE FROM events WHERE position BETWEEN 7 AND 9; SELECT pg_temp.renumber(10, -3)",
        Kind::Removed,
        7,
        None,
    ),
    // Put in.
    (
        "SELECT pg_temp.renumber(7, 1); INSERT INTO events SELECT 7, gen_random_uuid(), 'wallet', 'x', 1, 'Posted', '1', '{\"Posted\":{}}', '{}', recorded_at + interval '1 microsecond', hash FROM events WHERE position = 6; SELECT pg_temp.own_hash(7)",
        Kind::Inserted,
        7,
        None,
    ),
    (
        "SELECT pg_temp.renumber(7, 1); INSERT INTO events SELECT 7, gen_random_uuid(), 'wallet', 'x', 1, 'Posted', '1', '{\"Posted\":{}}', '{}', recorded_at, hash FROM events WHERE position = 6",
        Kind::Inserted,
        7,
        None,
    ),
    (
        "ALTER TABLE events DROP CONSTRAINT events_pkey; INSERT INTO events SELECT 7, '00000000-0000-7000-8000-000000000000', 'wallet', 'x', 1, 'Posted', '1', '{\"Posted\":{}}', '{}', recorded_at, hash FROM events WHERE position = 7",
        Kind::Inserted,
        7,
        None,
    ),
    (
        "ALTER TABLE events DROP CONSTRAINT events_pkey; INSERT INTO events SELECT 7, 'ffffffff-0000-7000-8000-000000000000', 'wallet', 'x', 1, 'Posted', '1', '{\"Posted\":{}}', '{}', recorded_at, hash FROM events WHERE position = 7",
        Kind::Inserted,
        7,
        None,
    ),
    (
        "ALTER TABLE events DROP CONSTRAINT events_position_check; INSERT INTO events SELECT -7, gen_random_uuid(), 'wallet', 'x', 1, 'Posted', '1', '{\"Posted\":{}}', '{}', recorded_at, hash FROM events WHERE position = 7",
        Kind::Inserted,
        -7,
        None,
    ),
    (
        "ALTER TABLE events DROP CONSTRAINT events_pkey; ALTER TABLE events DROP CONSTRAINT events_event_id_key; ALTER TABLE events DROP CONSTRAINT events_stream_key; INSERT INTO events SELECT * FROM events WHERE position = 7",
        Kind::Inserted,
        7,
        None,
    ),
    // Swapped: rows as they are, neighbours, and the fields without position and hash.
    (
        "SELECT pg_temp.move(7, 999), pg_temp.move(12, 7), pg_temp.move(999, 12)",
        Kind::Swapped,
        7,
        Some(12),
    ),
    (
        "SELECT pg_temp.move(7, 999), pg_temp.move(8, 7), pg_temp.move(999, 8)",
        Kind::Swapped,
        7,
        Some(8),
    ),
    (
        "UPDATE events e SET payload = o.payload, event_id = o.event_id, aggregate_type = o.aggregate_type, aggregate_id = o.aggregate_id, sequence = o.sequence, event_type = o.event_type, recorded_at = o.recorded_at FROM (SELECT * FROM swapped) o WHERE e.position = CASE o.position WHEN 7 THEN 12 ELSE 7 END",
        Kind::Swapped,
        7,
        Some(12),
    ),
    // In another order.
    (
        "SELECT pg_temp.move(6, 999), pg_temp.move(9, 6), pg_temp.move(12, 9), pg_temp.move(999, 12)",
        Kind::Reordered,
        6,
        Some(9),
    ),
    ("SELECT pg_temp.move(7, 21)", Kind::Reordered, 21, Some(7)),
    // Everything computed anew after a change: only what was signed tells.
    (
        "UPDATE events SET event_type = 'Other' WHERE position = 7; SELECT pg_temp.rechain(7)",
        Kind::Rewritten,
        1,
        Some(10),
    ),
    (
        "UPDATE events SET event_type = 'Other' WHERE position = 13; SELECT pg_temp.rechain(13)",
        Kind::Rewritten,
        11,
        Some(20),
    ),
    (
        "DELETE FROM events WHERE position = 15; SELECT pg_temp.renumber(16, -1), pg_temp.rechain(15)",
        Kind::Truncated,
        20,
        Some(20),
    ),
];

/// Tampers with a log of its own and looks at what is said about it.
async fn is_named((sql, kind, position, other): &Case) {
    let world = World::sealed().await;
    // Two rows whose fields change places cannot pass the unique constraints at once.
    let prelude = if sql.contains("swapped") {
        "CREATE TABLE swapped AS SELECT * FROM events WHERE position IN (7, 12);
         ALTER TABLE events DROP CONSTRAINT events_event_id_key; ALTER TABLE events DROP CONSTRAINT events_stream_key;"
    } else {
        ""
    };
    world.tamper(&format!("{prelude}{sql}")).await;
    let report = world.verify().await;
    let all = format!("{sql}: {:#?}", report.findings);
    let found = the(&report, *kind);
    assert_eq!(
        (found.position, found.other),
        (Some(*position), *other),
        "{all}"
    );
    assert_eq!(report.verdict, Verdict::Tampered, "{all}");
    // What happened is named and nothing else is accused.
    let culprits = [
        Kind::Changed,
        Kind::Removed,
        Kind::Inserted,
        Kind::Swapped,
        Kind::Reordered,
        Kind::Rewritten,
    ];
    let strangers = kinds(&report)
        .into_iter()
        .filter(|found| culprits.contains(found) && found != kind);
    assert_eq!(strangers.count(), 0, "{all}");
    if let Some(id) = found.event_id {
        let stands: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM events WHERE position = $1 AND event_id = $2)",
        )
        .bind(position)
        .bind(id)
        .fetch_one(&world.db.pool)
        .await
        .unwrap();
        assert!(stands, "the event is named: {all}");
        assert!(found.detail.contains(&id.to_string()), "{all}");
    }
}

#[tokio::test]
async fn whatever_is_done_to_the_events_is_named() {
    futures::stream::iter(CASES)
        .for_each_concurrent(4, is_named)
        .await;
}

#[tokio::test]
async fn an_amount_that_was_changed_shows_in_the_books_too() {
    let world = World::sealed().await;
    world
        .tamper(
            &CHANGE
                .replace("position = 7", "position = 9")
                .replace("107", "109"),
        )
        .await;
    let report = world.verify().await;
    assert_eq!(the(&report, Kind::Changed).position, Some(9));
    let totals = the(&report, Kind::Totals);
    assert_eq!(totals.position, Some(10));
    assert!(
        totals.detail.contains("UAH") && totals.detail.contains("instead of"),
        "{}",
        totals.detail
    );
    // Told once: the second checkpoint is compared from the first on.
    assert_eq!(
        report
            .findings
            .iter()
            .filter(|found| found.kind == Kind::Totals)
            .count(),
        1
    );
}

#[tokio::test]
async fn several_changes_are_all_named() {
    let world = World::sealed().await;
    world
        .tamper(
            "UPDATE events SET event_type = 'Other' WHERE position IN (3, 11);
             DELETE FROM events WHERE position = 17;
             SELECT pg_temp.move(6, 999), pg_temp.move(14, 6), pg_temp.move(999, 14)",
        )
        .await;
    let report = world.verify().await;
    let of = |kind: Kind| -> Vec<_> {
        let found = report.findings.iter().filter(|found| found.kind == kind);
        found.map(|found| found.position.unwrap()).collect()
    };
    assert_eq!(of(Kind::Changed), [3, 11], "{:#?}", report.findings);
    assert_eq!((of(Kind::Removed), of(Kind::Swapped)), (vec![17], vec![6]));
}

#[tokio::test]
async fn a_history_without_its_end_is_incomplete_and_never_intact() {
    let world = World::sealed().await;
    world.tamper("DELETE FROM events WHERE position > 17").await;
    let report = world.verify().await;
    assert_eq!(
        (report.verdict, report.exit_code()),
        (Verdict::Incomplete, 3)
    );
    let found = the(&report, Kind::Truncated);
    assert_eq!((found.position, found.other), (Some(18), Some(20)));

    // Together with the checkpoint, nothing in the database shows it: what was kept elsewhere does.
    world
        .tamper("DELETE FROM checkpoints WHERE position = 20")
        .await;
    assert_eq!(world.verify().await.verdict, Verdict::Intact);
    let options = VerifyOptions {
        keys: vec![world.key.public()],
        outside: vec![world.checkpoints[1].clone()],
        ..VerifyOptions::default()
    };
    let report = world.verify_with(options).await;
    assert_ne!(report.verdict, Verdict::Intact);
    assert_eq!(kinds(&report), [Kind::Checkpoint, Kind::Truncated]);

    let empty = World::empty().await.verify().await;
    assert_eq!(
        (empty.verdict, kinds(&empty)),
        (Verdict::Incomplete, vec![Kind::NoCheckpoint])
    );
}

#[tokio::test]
async fn a_history_that_was_written_anew_with_its_checkpoints_needs_the_key() {
    let mut world = World::sealed().await;
    let (genuine, kept) = (world.key.public(), world.checkpoints.clone());
    world.tamper("UPDATE events SET event_type = 'Other' WHERE position = 7; SELECT pg_temp.rechain(7); DELETE FROM checkpoints").await;
    world.key = key(66);
    world.seal().await;
    // In itself all of it is right.
    assert_eq!(world.verify().await.verdict, Verdict::Intact);
    let report = world
        .verify_with(VerifyOptions {
            keys: vec![genuine],
            outside: kept,
            ..VerifyOptions::default()
        })
        .await;
    assert_eq!(report.verdict, Verdict::Tampered);
    assert_eq!(
        kinds(&report),
        [Kind::Rewritten, Kind::Signature, Kind::Checkpoint]
    );
}

#[tokio::test]
async fn checkpoints_that_are_changed_missing_or_without_a_key_are_told() {
    let cases = [
        (
            "UPDATE checkpoints SET body = replace(body, '\"debits\":\"60\"', '\"debits\":\"61\"') WHERE position = 20",
            Kind::Signature,
        ),
        (
            "UPDATE checkpoints SET signature = set_byte(signature, 5, 7) WHERE position = 10",
            Kind::Signature,
        ),
        (
            "UPDATE checkpoints SET public_key = set_byte(public_key, 5, 7) WHERE position = 10",
            Kind::Signature,
        ),
        (
            "UPDATE checkpoints SET body = '{}' WHERE position = 10",
            Kind::Checkpoint,
        ),
        (
            "UPDATE checkpoints SET position = 11 WHERE position = 10",
            Kind::Checkpoint,
        ),
        (
            "DELETE FROM checkpoints WHERE position = 10",
            Kind::Checkpoint,
        ),
    ];
    for (sql, kind) in cases {
        let world = World::sealed().await;
        world.tamper(sql).await;
        let report = world.verify().await;
        assert_eq!(
            (report.verdict, kinds(&report)),
            (Verdict::Tampered, vec![kind]),
            "{sql}: {report:#?}"
        );
    }
    let world = World::sealed().await;
    let report = world.verify_with(VerifyOptions::default()).await;
    assert_eq!(
        (report.verdict, kinds(&report)),
        (Verdict::Incomplete, vec![Kind::NoKey])
    );
    world.tamper("DELETE FROM checkpoints").await;
    let report = world.verify().await;
    assert_eq!(
        (report.verdict, kinds(&report)),
        (Verdict::Incomplete, vec![Kind::NoCheckpoint])
    );
    let few = VerifyOptions {
        keys: vec![world.key.public()],
        max_streams: 3,
        ..VerifyOptions::default()
    };
    assert!(kinds(&world.verify_with(few).await).contains(&Kind::Bound));
}

#[tokio::test]
async fn a_gap_in_a_stream_is_named_although_everything_is_signed() {
    let mut world = World::sealed().await;
    world
        .tamper("UPDATE events SET sequence = 99 WHERE position = 19; SELECT pg_temp.rechain(19); DELETE FROM checkpoints")
        .await;
    world.seal().await;
    let report = world.verify().await;
    assert_eq!(
        (report.verdict, kinds(&report)),
        (Verdict::Tampered, vec![Kind::Sequence])
    );
    let found = the(&report, Kind::Sequence);
    assert_eq!(found.position, Some(19));
    assert!(
        found
            .detail
            .contains("number 99 of stream receipt/r, after number 4"),
        "{found}"
    );
}

#[tokio::test]
async fn a_line_of_checkpoints_that_was_made_twice_is_found_by_who_kept_one() {
    let mut world = World::sealed().await;
    let kept = world.checkpoints[1].clone();
    world.tamper("DELETE FROM checkpoints").await;
    world.seal().await;
    let again = world.checkpoints[2].clone();
    assert_eq!(world.verify().await.verdict, Verdict::Intact);
    let report = world
        .verify_with(VerifyOptions {
            keys: vec![world.key.public()],
            outside: vec![kept, again],
            ..VerifyOptions::default()
        })
        .await;
    assert_eq!(
        (report.verdict, kinds(&report)),
        (Verdict::Tampered, vec![Kind::Checkpoint])
    );
}

#[tokio::test]
async fn a_log_that_grows_meanwhile_is_not_taken_for_a_broken_one() {
    let world = World::sealed().await;
    let growing = async {
        for _ in 0..30 {
            world.grow(1).await;
            let made =
                kvit_adapters::audit::make_checkpoint(&world.db.pool, &world.key, now()).await;
            assert!(made.is_ok(), "{made:?}");
        }
    };
    let checking = async {
        for _ in 0..30 {
            let report = world.verify().await;
            assert_eq!(report.verdict, Verdict::Intact, "{:#?}", report.findings);
        }
    };
    futures::join!(growing, checking);
}

#[tokio::test]
async fn forgetting_a_person_does_not_hinder_the_proof() {
    use kvit_adapters::vault::{MasterKeys, PgVault};

    let mut world = World::sealed().await;
    let masters = MasterKeys::try_new(&[7; 32]).unwrap();
    let vault = PgVault::open_with(world.db.pool.clone(), masters)
        .await
        .unwrap();
    let (person, stream) = (uuid::Uuid::now_v7(), StreamId::new("user", "u"));
    let phone = b"+380501234567";
    let sealed = vault.seal(person, &stream, "phone", phone).await.unwrap();
    let payload = serde_json::json!({"PhoneShared": {"phone": sealed}}).to_string();
    world
        .append(&stream, 0, event("PhoneShared", &payload))
        .await;
    world.seal().await;
    let before = world.verify().await;

    vault.forget(person).await.unwrap();
    assert_eq!(
        vault.open(person, &stream, "phone", &sealed).await.unwrap(),
        None
    );
    let after = world.verify().await;
    assert_eq!(after, before);
    assert_eq!(after.verdict, Verdict::Intact);

    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    kvit_adapters::audit::export_bundle(&world.db.pool, None, &bundle)
        .await
        .unwrap();
    let checked = crate::audit_bundle::check(&bundle, &world);
    assert_eq!(checked.exit_code(), 0, "{checked}");
    let text = std::fs::read_to_string(bundle.join("events.jsonl")).unwrap();
    assert!(text.contains("PhoneShared") && !text.contains("380501234567"));
}
