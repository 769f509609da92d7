//! A ledger with something of everything in it, decided by the aggregates themselves and appended to a real log, so that
//! its chain is a real chain.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta};
use cqrs_es::DomainEvent;
use kvit_adapters::postgres::{LogOptions, PgEventLog};
use kvit_commands::ports::log::{Append, Appended, EventLog, NewEvent, StreamAppend};
use kvit_domain::aggregate::Decide;
use kvit_domain::event::{Position, StreamId, metadata};
use kvit_domain::ids::{HoldId, TransactionId, UserId, WalletId};
use kvit_domain::journal::{Journal, JournalCommand};
use kvit_domain::ledger::{Account, Leg, ProviderName, Side, Transaction, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::wallet::{Wallet, WalletCommand};
use kvit_projections::Projector;
use kvit_projections::queries::ledger;
use kvit_testkit::TestDb;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::support::kvit;

pub struct Books {
    pub db: TestDb,
    log: Arc<PgEventLog>,
    sequences: HashMap<StreamId, i64>,
    made: u32,
    pub head: Position,
}

/// A person's wallet.
pub struct Holder {
    pub id: WalletId,
    pub state: Wallet,
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

impl Books {
    pub async fn new() -> Self {
        let db = kvit_testkit::pg().await;
        let log = PgEventLog::start(&db.settings(), db.pool.clone(), LogOptions::default(), None)
            .unwrap();
        Self {
            db,
            log,
            sequences: HashMap::new(),
            made: 0,
            head: 0,
        }
    }

    /// Every kind of booking in every currency, with words that try to break out of their file.
    pub async fn busy() -> Self {
        let mut books = Self::new().await;
        for (index, currency) in Currency::ALL.into_iter().enumerate() {
            let mut one = books.holder("one", currency);
            let mut other = books.holder(&format!("other{index}"), currency);
            books.credit(&mut one, 12_345).await;
            books.credit(&mut other, 1).await;
            books.fee_on_top_up(&mut one, 10_000, 350).await;
            books.payout(&mut one, 5_000, 3_000).await;
            let undone = books.credit(&mut other, 777).await;
            books.reverse(&mut other, undone, None).await;
            let partly = books.credit(&mut one, 900).await;
            books.reverse(&mut one, partly, Some(400)).await;
            // A hold that nothing came of is no booking.
            books.hold(&mut other, 1).await;
        }
        books.settlement(Currency::Rub, 9_000, 100).await;
        books.exchange().await;
        books
    }

    fn number(&mut self) -> String {
        self.made += 1;
        self.made.to_string()
    }

    pub fn holder(&self, name: &str, currency: Currency) -> Holder {
        let user = UserId::derived("test", name);
        Holder {
            id: WalletId { user, currency },
            state: Wallet::default(),
        }
    }

    /// Decides, appends and goes on.
    async fn run<A: Decide>(&mut self, id: &str, state: &mut A, command: &A::Command) {
        let events = state.decide(command).unwrap();
        let stream = StreamId::new(A::TYPE, id);
        let expected = self.sequences.get(&stream).copied().unwrap_or(0);
        let new = events
            .iter()
            .map(|event| NewEvent {
                event_id: Uuid::now_v7(),
                event_type: event.event_type(),
                event_version: event.event_version(),
                payload: RawValue::from_string(serde_json::to_string(event).unwrap()).unwrap(),
                metadata: BTreeMap::from([(metadata::ACTOR.to_owned(), "policy:test".to_owned())]),
            })
            .collect();
        let append = Append {
            streams: vec![StreamAppend {
                stream: stream.clone(),
                expected_sequence: expected,
                events: new,
            }],
        };
        match self.log.append(append).await.unwrap() {
            Appended::Stored { last, .. } => self.head = last,
            Appended::Conflict { .. } => panic!("nobody else writes here"),
        }
        let added = i64::try_from(events.len()).unwrap();
        self.sequences.insert(stream, expected + added);
        for event in events {
            state.apply(event);
        }
    }

    async fn post(&mut self, holder: &mut Holder, transaction: Transaction) {
        let command = WalletCommand::Post {
            wallet_id: holder.id,
            transaction,
        };
        self.run(&holder.id.to_string(), &mut holder.state, &command)
            .await;
    }

    pub async fn credit(&mut self, holder: &mut Holder, minor: i64) -> TransactionId {
        let number = self.number();
        let id = TransactionId::derived("test", &number);
        // Value dates go back and forth, as late bookings do.
        let back = TimeDelta::days(i64::from(self.made % 7));
        let mut transaction = Transaction::simple(
            id,
            TransactionKind::Reward,
            Account::BonusExpense,
            Account::Wallet(holder.id),
            Money::new(minor, holder.id.currency),
            day("2026-03-20") - back,
            format!("=HYPERLINK(\"https://x.example\",\"{number}\"), 100%"),
        );
        transaction.description = format!(
            "Бонус \"{number}\" \\ ; date:2001-01-01, [2001-01-02]\n2026-01-01 open Equity:Mine | x"
        );
        self.post(holder, transaction).await;
        id
    }

    async fn fee_on_top_up(&mut self, holder: &mut Holder, minor: i64, fee: i64) {
        let currency = holder.id.currency;
        let leg = |account, side, minor| Leg {
            account,
            side,
            amount: Money::new(minor, currency),
        };
        let number = self.number();
        let transaction = Transaction {
            id: TransactionId::derived("test", &number),
            kind: TransactionKind::TopUp,
            legs: vec![
                leg(
                    Account::PaymentsClearing(ProviderName::Yookassa),
                    Side::Debit,
                    minor - fee,
                ),
                leg(Account::Fees(ProviderName::Yookassa), Side::Debit, fee),
                leg(Account::Wallet(holder.id), Side::Credit, minor),
            ],
            value_date: day("2026-03-31"),
            reference: "-1+cmd|' /C calc'!A0".to_owned(),
            description: "@SUM(A1:A9)".to_owned(),
        };
        self.post(holder, transaction).await;
    }

    pub async fn hold(&mut self, holder: &mut Holder, minor: i64) -> HoldId {
        let hold_id = HoldId::derived("test", &self.number());
        let command = WalletCommand::PlaceHold {
            hold_id,
            amount: Money::new(minor, holder.id.currency),
            purpose: "payout:x".to_owned(),
            expires_at: DateTime::UNIX_EPOCH + TimeDelta::days(40_000),
        };
        self.run(&holder.id.to_string(), &mut holder.state, &command)
            .await;
        hold_id
    }

    async fn payout(&mut self, holder: &mut Holder, held: i64, paid: i64) {
        let hold_id = self.hold(holder, held).await;
        let number = self.number();
        let transaction = Transaction::simple(
            TransactionId::derived("test", &number),
            TransactionKind::Payout,
            Account::Wallet(holder.id),
            Account::PayoutsClearing(ProviderName::Portmone),
            Money::new(paid, holder.id.currency),
            day("2026-04-01"),
            format!("{number} date:2001-01-01 [2001-01-02] %"),
        );
        let command = WalletCommand::Capture {
            hold_id,
            transaction,
            release_rest: true,
        };
        self.run(&holder.id.to_string(), &mut holder.state, &command)
            .await;
    }

    async fn reverse(&mut self, holder: &mut Holder, original: TransactionId, part: Option<i64>) {
        let leg = |account, side, minor| Leg {
            account,
            side,
            amount: Money::new(minor, holder.id.currency),
        };
        let legs = part.map(|minor| {
            vec![
                leg(Account::BonusExpense, Side::Credit, minor),
                leg(Account::Wallet(holder.id), Side::Debit, minor),
            ]
        });
        let command = WalletCommand::Reverse {
            original_id: original,
            transaction_id: TransactionId::derived("test", &self.number()),
            value_date: day("2026-04-02"),
            legs,
        };
        self.run(&holder.id.to_string(), &mut holder.state, &command)
            .await;
    }

    /// A booking that concerns no wallet.
    async fn settlement(&mut self, currency: Currency, minor: i64, fee: i64) {
        let leg = |account, side, minor| Leg {
            account,
            side,
            amount: Money::new(minor, currency),
        };
        let clearing = Account::PaymentsClearing(ProviderName::Yookassa);
        let transaction = Transaction {
            id: TransactionId::derived("test", "settlement"),
            kind: TransactionKind::Settlement,
            legs: vec![
                leg(Account::Bank, Side::Debit, minor - fee),
                leg(Account::Fees(ProviderName::Yookassa), Side::Debit, fee),
                leg(clearing, Side::Credit, minor),
            ],
            value_date: day("2026-04-03"),
            reference: "settlement:1".to_owned(),
            description: String::new(),
        };
        let command = JournalCommand::Post { transaction };
        self.run("settlement:yookassa:1", &mut Journal::default(), &command)
            .await;
    }

    /// Two currencies in one transaction, each balanced.
    async fn exchange(&mut self) {
        let mut holder = self.holder("changer", Currency::Usd);
        self.credit(&mut holder, 10_000).await;
        let leg = |account, side, minor, currency| Leg {
            account,
            side,
            amount: Money::new(minor, currency),
        };
        let transaction = Transaction {
            id: TransactionId::derived("test", "exchange"),
            kind: TransactionKind::Conversion,
            legs: vec![
                leg(
                    Account::Wallet(holder.id),
                    Side::Debit,
                    1_000,
                    Currency::Usd,
                ),
                leg(Account::Exchange, Side::Credit, 1_000, Currency::Usd),
                leg(Account::Exchange, Side::Debit, 41_500, Currency::Uah),
                leg(
                    Account::TransfersClearing,
                    Side::Credit,
                    41_500,
                    Currency::Uah,
                ),
            ],
            value_date: day("2026-04-04"),
            reference: "quote:1".to_owned(),
            description: "\tтри".to_owned(),
        };
        self.post(&mut holder, transaction).await;
    }

    /// Folds everything into the read models.
    pub async fn settle(&self) {
        Projector::new(self.db.pool.clone())
            .catch_up()
            .await
            .unwrap();
    }

    /// The schema that queries of the ledger read.
    pub async fn schema(&self) -> String {
        sqlx::query_scalar(
            "SELECT schema_name FROM projection_builds WHERE name = 'ledger' AND state = 'active'",
        )
        .fetch_one(&self.db.pool)
        .await
        .unwrap()
    }

    /// Changes the read models behind everybody's back.
    pub async fn tamper(&self, sql: &str) {
        let done = sqlx::query(sql).execute(&self.db.pool).await.unwrap();
        assert!(done.rows_affected() > 0, "nothing was changed");
    }

    /// Every account as the read models have it, wallets included: `account/currency` to debits less credits.
    pub async fn live(&self) -> BTreeMap<(Account, Currency), i128> {
        let (mut all, mut cursor) = (BTreeMap::new(), None::<String>);
        loop {
            let page = ledger::accounts(&self.db.pool, cursor.as_deref(), 200)
                .await
                .unwrap()
                .data;
            for row in page.items {
                let net = row.debit_minor.0 - row.credit_minor.0;
                all.insert((row.account, row.currency), net);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return all,
            }
        }
    }

    /// The binary with this database, in a folder without a state of its own.
    pub fn kvit(&self, dir: &Path, arguments: &[&str]) -> Command {
        let mut command = kvit(dir);
        command
            .env("DATABASE_URL", &self.db.app_url)
            .env("DATABASE_OWNER_URL", &self.db.owner_url)
            .args(arguments);
        command
    }
}

/// Runs a command; gives its status and both outputs.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}
