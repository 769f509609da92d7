//! A small log with books, checkpoints, and somebody who rules the database.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kvit_adapters::audit::{
    CheckpointKey, Finding, Kind, Sealing, SignedCheckpoint, VerifyOptions, VerifyReport,
    make_checkpoint, verify_log,
};
use kvit_adapters::postgres::PgEventLog;
use kvit_commands::ports::log::{Append, NewEvent, StreamAppend};
use kvit_domain::event::{Position, StreamId};
use kvit_testkit::TestDb;

use crate::support::{event, open_log, stored};

/// The key of a seed that nobody would take for a real one.
pub fn key(n: u8) -> CheckpointKey {
    let mut seed = [0x5a; 32];
    seed[0] = n;
    CheckpointKey::from_seed(&seed).unwrap()
}

/// Some moment.
pub fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00.123456Z".parse().unwrap()
}

/// A booking from the bonus account to a wallet.
pub fn posting(wallet: &str, minor: i64) -> NewEvent {
    event(
        "TransactionPosted",
        &format!(
            r#"{{"TransactionPosted":{{"transaction":{{"id":"{wallet}-{minor}","kind":"reward","legs":[{{"account":"bonus:expense","side":"debit","amount":{{"minor":{minor},"currency":"UAH"}}}},{{"account":"wallet:{wallet}:UAH","side":"credit","amount":{{"minor":{minor},"currency":"UAH"}}}}],"value_date":"2026-11-20","reference":"r","description":""}}}}}}"#
        ),
    )
}

/// A provider's fee, which concerns no wallet.
fn fee(minor: i64) -> NewEvent {
    event(
        "TransactionPosted",
        &format!(
            r#"{{"TransactionPosted":{{"transaction":{{"id":"fee-{minor}","kind":"fee","legs":[{{"account":"fees:yookassa","side":"debit","amount":{{"minor":{minor},"currency":"RUB"}}}},{{"account":"payments:yookassa:clearing","side":"credit","amount":{{"minor":{minor},"currency":"RUB"}}}}],"value_date":"2026-11-20","reference":"r","description":""}}}}}}"#
        ),
    )
}

/// A log and who may change it.
pub struct World {
    pub db: TestDb,
    pub log: Arc<PgEventLog>,
    pub key: CheckpointKey,
    pub checkpoints: Vec<SignedCheckpoint>,
}

impl World {
    /// An empty log.
    pub async fn empty() -> Self {
        let db = kvit_testkit::pg().await;
        let log = open_log(&db);
        Self {
            db,
            log,
            key: key(1),
            checkpoints: Vec::new(),
        }
    }

    /// Twenty events on four streams in turn (wallet a, wallet b, receipt r, journal j), sealed at 10 and at 20.
    pub async fn sealed() -> Self {
        let mut world = Self::empty().await;
        world.grow(10).await;
        world.seal().await;
        world.grow(10).await;
        world.seal().await;
        world
    }

    /// Appends events of the world's pattern.
    pub async fn grow(&self, count: i64) {
        for _ in 0..count {
            let next = kvit_commands::ports::log::EventLog::head(&*self.log)
                .await
                .unwrap()
                + 1;
            let (stream, new) = match next % 4 {
                1 => (StreamId::new("wallet", "a"), posting("a", 100 + next)),
                2 => (StreamId::new("wallet", "b"), posting("b", 100 + next)),
                3 => (
                    StreamId::new("receipt", "r"),
                    event("Posted", &format!(r#"{{"Posted":{{"n":{next}}}}}"#)),
                ),
                _ => (StreamId::new("journal", "j"), fee(next)),
            };
            self.append(&stream, (next - 1) / 4, new).await;
        }
    }

    /// Appends one event.
    pub async fn append(
        &self,
        stream: &StreamId,
        expected_sequence: i64,
        new: NewEvent,
    ) -> Position {
        let slice = StreamAppend {
            stream: stream.clone(),
            expected_sequence,
            events: vec![new],
        };
        let append = Append {
            streams: vec![slice],
        };
        stored(&self.log, append).await.0
    }

    /// Makes a checkpoint.
    pub async fn seal(&mut self) {
        match make_checkpoint(&self.db.pool, &self.key, now())
            .await
            .unwrap()
        {
            Sealing::Made(signed) => self.checkpoints.push(signed),
            other => panic!("{other:?}"),
        }
    }

    /// Does what only the ruler of the database can do.
    pub async fn tamper(&self, sql: &str) {
        let off =
            "ALTER TABLE events DISABLE TRIGGER ALL; ALTER TABLE checkpoints DISABLE TRIGGER ALL;";
        let mut owner = self.db.owner().await;
        let done = sqlx::raw_sql(&format!("{RECHAIN}{off}{sql}"))
            .execute(&mut owner)
            .await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The usual check: with the right key.
    pub async fn verify(&self) -> VerifyReport {
        self.verify_with(VerifyOptions {
            keys: vec![self.key.public()],
            ..VerifyOptions::default()
        })
        .await
    }

    /// The check with other options.
    pub async fn verify_with(&self, options: VerifyOptions) -> VerifyReport {
        verify_log(&self.db.pool, &options, |_, _| {})
            .await
            .unwrap()
    }
}

/// `rechain(from)` computes the hashes from a position on anew, as somebody would who wants a change to go unseen.
/// `own_hash(at)` makes the hash of one row fit its fields and the row before.
const RECHAIN: &str = "
CREATE OR REPLACE FUNCTION pg_temp.own_hash(at bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE events e SET hash = sha256(coalesce((SELECT b.hash FROM events b WHERE b.position = at - 1), decode(repeat('00', 32), 'hex'))
        || int8send(e.position) || uuid_send(e.event_id) || int8send(e.sequence) || timestamptz_send(e.recorded_at)
        || int4send(octet_length(e.aggregate_type)) || convert_to(e.aggregate_type, 'UTF8')
        || int4send(octet_length(e.aggregate_id)) || convert_to(e.aggregate_id, 'UTF8')
        || int4send(octet_length(e.event_type)) || convert_to(e.event_type, 'UTF8')
        || int4send(octet_length(e.event_version)) || convert_to(e.event_version, 'UTF8')
        || int4send(octet_length(e.payload::text)) || convert_to(e.payload::text, 'UTF8')
        || int4send(octet_length(e.metadata::text)) || convert_to(e.metadata::text, 'UTF8'))
     WHERE e.position = at
$$;
CREATE OR REPLACE FUNCTION pg_temp.rechain(from_position bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    at bigint;
BEGIN
    FOR at IN SELECT e.position FROM events e WHERE e.position >= from_position ORDER BY e.position LOOP
        PERFORM pg_temp.own_hash(at);
    END LOOP;
END
$$;
CREATE OR REPLACE FUNCTION pg_temp.renumber(from_position bigint, by_how_much bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE events SET position = position + 100000 WHERE position >= from_position;
    UPDATE events SET position = position - 100000 + by_how_much WHERE position >= 100000;
$$;
CREATE OR REPLACE FUNCTION pg_temp.move(from_position bigint, to_position bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE events SET position = to_position WHERE position = from_position;
$$;
";

/// The finding of a kind, which must be there.
pub fn the(report: &VerifyReport, kind: Kind) -> Finding {
    report
        .findings
        .iter()
        .find(|finding| finding.kind == kind)
        .unwrap_or_else(|| panic!("no {kind:?} in {:#?}", report.findings))
        .clone()
}

/// The kinds that were found, each once.
pub fn kinds(report: &VerifyReport) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
