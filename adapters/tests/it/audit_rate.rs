//! How fast checkpoints, checks and bundles are. Run by hand, since it takes a while:
//! `KVIT_RATE_EVENTS=1000000 cargo test --release -p kvit-adapters --test it -- --ignored --nocapture audit_rate`

use std::time::Instant;

use kvit_adapters::audit::{Sealing, Verdict, export_bundle, make_checkpoint};

use crate::audit_world::{World, now};

/// Appends events by the real function, a thousand at a time: wallets by the thousand, bookings like real ones.
const FILL: &str = r#"
CREATE FUNCTION pg_temp.fill(blocks int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wallets int := 1000;
BEGIN
    FOR block IN 0 .. blocks - 1 LOOP
        PERFORM public.append_events(
            (SELECT array_agg(n) FROM generate_series(1, wallets) n),
            (SELECT array_agg('wallet'::text) FROM generate_series(1, wallets) n),
            (SELECT array_agg(md5((n + wallets * (block % 100))::text)::uuid || ':UAH') FROM generate_series(1, wallets) n),
            (SELECT array_agg((block / 100)::bigint) FROM generate_series(1, wallets) n),
            (SELECT array_agg(n) FROM generate_series(1, wallets) n),
            (SELECT array_agg(gen_random_uuid()) FROM generate_series(1, wallets) n),
            (SELECT array_agg('TransactionPosted'::text) FROM generate_series(1, wallets) n),
            (SELECT array_agg('1'::text) FROM generate_series(1, wallets) n),
            (SELECT array_agg(format('{"TransactionPosted":{"transaction":{"id":"%s","kind":"reward","legs":[{"account":"bonus:expense","side":"debit","amount":{"minor":%s,"currency":"UAH"}},{"account":"wallet:%s:UAH","side":"credit","amount":{"minor":%s,"currency":"UAH"}}],"value_date":"2026-11-20","reference":"%s","description":"Bonus for a receipt"}}}',
                gen_random_uuid(), n, md5(n::text)::uuid, n, gen_random_uuid())) FROM generate_series(1, wallets) n),
            (SELECT array_agg(format('{"actor":"policy:rewarding","causation_id":"%s","command_digest":"%s","correlation_id":"%s","idempotency_key":"reward:%s"}',
                gen_random_uuid(), encode(sha256(n::text::bytea), 'hex'), gen_random_uuid(), gen_random_uuid())) FROM generate_series(1, wallets) n));
    END LOOP;
END
$$;
"#;

#[tokio::test]
#[ignore = "measures; run by hand"]
async fn audit_rate() {
    let wanted: i64 = std::env::var("KVIT_RATE_EVENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let world = World::empty().await;
    let mut owner = world.db.owner().await;
    let fill = format!("{FILL} SELECT pg_temp.fill({})", wanted / 1_000);
    sqlx::raw_sql(&fill).execute(&mut owner).await.unwrap();
    sqlx::raw_sql("VACUUM ANALYZE events")
        .execute(&mut owner)
        .await
        .unwrap();
    let say = |what: &str, started: Instant, events: u64| {
        let seconds = started.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = events as f64 / seconds;
        eprintln!(
            "{what}: {events} events in {seconds:.1} s, {rate:.0} events/s, {:.1} s per million",
            1e6 / rate
        );
    };
    let started = Instant::now();
    let made = make_checkpoint(&world.db.pool, &world.key, now())
        .await
        .unwrap();
    let Sealing::Made(signed) = made else {
        panic!()
    };
    say("make_checkpoint", started, signed.checkpoint().events);

    let started = Instant::now();
    let report = world.verify().await;
    assert_eq!(report.verdict, Verdict::Intact, "{:#?}", report.findings);
    say("verify_log", started, report.events);

    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    let started = Instant::now();
    let manifest = export_bundle(&world.db.pool, None, &bundle).await.unwrap();
    say("export_bundle", started, manifest.events);
    eprintln!("  {} bytes", manifest.files[0].bytes);

    let started = Instant::now();
    let report = crate::audit_bundle::check(&bundle, &world);
    assert_eq!(report.exit_code(), 0, "{report}");
    say("kvit-verify", started, report.events);
}
