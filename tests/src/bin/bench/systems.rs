//! The systems that are compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use kvit_adapters::postgres::chain::Verifier;
use kvit_adapters::postgres::{LogOptions, PgEventLog, PgSettings};
use kvit_commands::context::Context;
use kvit_commands::executor::{Executor, Limits};
use kvit_commands::ports::log::EventLog;
use kvit_commands::ports::time::System;
use kvit_domain::ids::{TransactionId, UserId, WalletId};
use kvit_domain::ledger::{Account, Transaction, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::wallet::{Wallet, WalletCommand};
use kvit_testkit::{PgServer, TestDb};
use sqlx::PgPool;

use crate::cpu;

/// Wallets of the runs that spread over many.
const WALLETS: u64 = 2_000;
/// Not measured at the beginning of each run.
const WARM_UP: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The executor, each command on one of many wallets.
    Kvit,
    /// The executor, all commands on one wallet.
    KvitHot,
    /// Plain `postgres-es` through `CqrsFramework`, many wallets.
    PostgresEs,
    /// The same on one wallet; a conflict is tried again.
    PostgresEsHot,
    /// `pgbench` inserting single rows.
    PgBench,
}

impl Kind {
    /// All, in the order of the table.
    pub const ALL: [Self; 5] = [
        Self::Kvit,
        Self::KvitHot,
        Self::PostgresEs,
        Self::PostgresEsHot,
        Self::PgBench,
    ];

    /// Its name in the table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Kvit => "kvit, many wallets",
            Self::KvitHot => "kvit, one hot wallet",
            Self::PostgresEs => "postgres-es, many wallets",
            Self::PostgresEsHot => "postgres-es, one hot wallet",
            Self::PgBench => "pgbench, single-row insert",
        }
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Commands that were answered as durable, a second.
    pub per_second: f64,
    /// Database processor time for each, milliseconds.
    pub database_ms: f64,
    /// Own processor time for each, milliseconds.
    pub own_ms: f64,
    /// Median time to the answer, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// Three databases on one cluster.
pub struct Bench<'a> {
    server: &'a PgServer,
    executor: Executor,
    log: Arc<PgEventLog>,
    peer: TestDb,
    rows: TestDb,
    /// Makes the ids of one run differ from those of another.
    run: AtomicU64,
}

fn wallet(run: u64, number: u64) -> WalletId {
    WalletId {
        user: UserId::derived("bench", &format!("{run}-{number}")),
        currency: Currency::Uah,
    }
}

fn post(wallet_id: WalletId, run: u64, command: u64) -> WalletCommand {
    let reference = format!("bench:{run}:{command}");
    WalletCommand::Post {
        wallet_id,
        transaction: Transaction::simple(
            TransactionId::derived("bench", &reference),
            TransactionKind::Reward,
            Account::BonusExpense,
            Account::Wallet(wallet_id),
            Money::new(150, Currency::Uah),
            NaiveDate::from_ymd_opt(2026, 11, 20).unwrap(),
            reference,
        ),
    }
}

/// Spreads consecutive numbers over the wallets.
fn spread(command: u64) -> u64 {
    command.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

impl<'a> Bench<'a> {
    pub async fn prepare(
        server: &'a PgServer,
        in_flight: Option<usize>,
        gather_us: Option<u64>,
    ) -> Self {
        let own = server.database().await;
        let settings = PgSettings::new(&own.app_url, "bench");
        let mut options = LogOptions::default();
        options.in_flight = in_flight.unwrap_or(options.in_flight);
        options.gather = gather_us.map_or(options.gather, Duration::from_micros);
        let log = PgEventLog::start(&settings, settings.pool().unwrap(), options, None).unwrap();
        let executor = Executor::new(
            log.clone(),
            Arc::new(System),
            Arc::new(System),
            Limits::default(),
        );
        let (peer, rows) = (server.empty_database().await, server.empty_database().await);
        // The table that the crate's documentation asks for.
        let events = "CREATE TABLE events (
            aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint NOT NULL CHECK (sequence >= 0),
            event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL,
            PRIMARY KEY (aggregate_type, aggregate_id, sequence))";
        sqlx::raw_sql(events)
            .execute(&mut peer.owner().await)
            .await
            .unwrap();
        let table = "CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL)";
        sqlx::raw_sql(table)
            .execute(&mut rows.owner().await)
            .await
            .unwrap();
        Self {
            server,
            executor,
            log,
            peer,
            rows,
            run: AtomicU64::new(0),
        }
    }

    /// Reads the whole log back and checks it.
    pub async fn check(&self) -> i64 {
        let mut verifier = Verifier::new();
        loop {
            let page = self.log.read(verifier.head().0, 5_000).await.unwrap();
            if page.is_empty() {
                return verifier.head().0;
            }
            for event in &page {
                verifier.check(event).unwrap();
            }
        }
    }

    pub async fn run(&self, kind: Kind, clients: usize, seconds: f64) -> Sample {
        let run = self.run.fetch_add(1, Ordering::Relaxed);
        let seconds = Duration::from_secs_f64(seconds);
        match kind {
            Kind::Kvit | Kind::KvitHot => {
                let hot = kind == Kind::KvitHot;
                self.drive(clients, seconds, |command| async move {
                    let wallet = wallet(run, if hot { 0 } else { spread(command) % WALLETS });
                    let context = Context::new("policy:bench", format!("{run}:{command}"), "bench");
                    let outcome = self
                        .executor
                        .execute::<Wallet>(
                            &wallet.to_string(),
                            post(wallet, run, command),
                            &context,
                        )
                        .await;
                    outcome.expect("the command is accepted");
                })
                .await
            }
            Kind::PostgresEs | Kind::PostgresEsHot => {
                let hot = kind == Kind::PostgresEsHot;
                let connections = u32::try_from(clients).unwrap();
                let settings =
                    PgSettings::new(&self.peer.owner_url, "peer").with_max_connections(connections);
                let pool: PgPool = settings.pool().unwrap();
                let framework = Arc::new(postgres_es::postgres_cqrs::<Wallet>(pool, vec![], ()));
                self.drive(clients, seconds, |command| {
                    let framework = Arc::clone(&framework);
                    async move {
                        let wallet = wallet(run, if hot { 0 } else { spread(command) % WALLETS });
                        let metadata = || {
                            [("actor", "policy:bench"), ("correlation_id", "bench")]
                                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                                .into()
                        };
                        loop {
                            let command = post(wallet, run, command);
                            let done = framework
                                .execute_with_metadata(&wallet.to_string(), command, metadata())
                                .await;
                            match done {
                                Ok(()) => return,
                                Err(cqrs_es::AggregateError::AggregateConflict) => {}
                                Err(fault) => panic!("{fault}"),
                            }
                        }
                    }
                })
                .await
            }
            Kind::PgBench => self.pgbench(clients, seconds).await,
        }
    }

    /// Runs clients that each issue one command after another.
    async fn drive<F: Future<Output = ()>>(
        &self,
        clients: usize,
        seconds: Duration,
        command: impl Fn(u64) -> F,
    ) -> Sample {
        let numbers = AtomicU64::new(0);
        let started = Instant::now();
        let measured_from = started + WARM_UP;
        let end = measured_from + seconds;
        let client = || async {
            let mut times = Vec::new();
            loop {
                let begun = Instant::now();
                if begun >= end {
                    return times;
                }
                command(numbers.fetch_add(1, Ordering::Relaxed)).await;
                let done = Instant::now();
                if done >= measured_from && done < end {
                    times.push(done - begun);
                }
            }
        };
        let costs = async {
            tokio::time::sleep_until(measured_from.into()).await;
            let before = (cpu::of_server(self.server.pid()), cpu::of_self());
            tokio::time::sleep_until(end.into()).await;
            let after = (cpu::of_server(self.server.pid()), cpu::of_self());
            (after.0 - before.0, after.1 - before.1)
        };
        let all = futures::future::join_all((0..clients).map(|_| client()));
        let (times, (database, own)) = tokio::join!(all, costs);
        let mut times: Vec<Duration> = times.into_iter().flatten().collect();
        times.sort_unstable();
        let count = times.len().max(1) as f64;
        let at = |share: f64| {
            let index = (times.len() as f64 * share) as usize;
            times
                .get(index.min(times.len().saturating_sub(1)))
                .map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Sample {
            per_second: times.len() as f64 / seconds.as_secs_f64(),
            database_ms: database.as_secs_f64() * 1e3 / count,
            own_ms: own.as_secs_f64() * 1e3 / count,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        }
    }

    async fn pgbench(&self, clients: usize, seconds: Duration) -> Sample {
        let script = std::env::temp_dir().join(format!("kvit-bench-{}.sql", std::process::id()));
        let body = "x".repeat(300);
        std::fs::write(
            &script,
            format!("INSERT INTO rows (body) VALUES ('{body}');\n"),
        )
        .unwrap();
        let whole_seconds = seconds.as_secs_f64().round().max(1.0);
        let mut command = self.server.tool("pgbench");
        command
            .args([
                "-U",
                "kvit_owner",
                "-n",
                "-M",
                "prepared",
                "-j",
                "2",
                "-c",
                &clients.to_string(),
            ])
            .args(["-T", &whole_seconds.to_string(), "-f"])
            .arg(&script)
            .arg(&self.rows.name);
        let before = cpu::of_server(self.server.pid());
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        // The time of the sessions that have just ended shows when the server has taken note of their end.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let database = cpu::of_server(self.server.pid()) - before;
        std::fs::remove_file(&script).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "pgbench failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let number = |label: &str| -> f64 {
            let rest = text
                .split_once(label)
                .map_or("", |(_, rest)| rest)
                .trim_start_matches([' ', ':', '=']);
            rest.split([' ', '\n', '/'])
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(f64::NAN)
        };
        Sample {
            // Its own rate leaves out the time of connecting, which distorts short runs.
            per_second: number("actually processed") / whole_seconds,
            database_ms: database.as_secs_f64() * 1e3 / number("actually processed"),
            own_ms: f64::NAN,
            p50_ms: number("latency average"),
            p99_ms: f64::NAN,
        }
    }
}
