//! A small world whose history is made by the aggregates' own decisions and stored with the times that a test wants.

use std::collections::HashMap;
use std::fmt::Display;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use cqrs_es::DomainEvent;
use kvit_domain::aggregate::Decide;
use kvit_domain::campaign::{Campaign, CampaignCommand};
use kvit_domain::event::Position;
use kvit_domain::ids::{
    CampaignId, HoldId, JobId, PayoutId, ReceiptId, TransactionId, UserId, WalletId,
};
use kvit_domain::job::{Job, JobCommand};
use kvit_domain::ledger::{Account, ProviderName, Transaction, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::{Payout, PayoutCommand};
use kvit_domain::phone::Operator;
use kvit_domain::receipt::{CampaignVersion, ImageRef, Receipt, ReceiptCommand};
use kvit_domain::recognition::{Confidence, Field, FiscalQr, QrForm, QrReading, Recognition};
use kvit_domain::rejection::Rejection;
use kvit_domain::rules::{CampaignTerms, Reason, ReasonCode, kyiv_day};
use kvit_domain::sealed::Sealed;
use kvit_domain::user::{Language, User, UserCommand};
use kvit_domain::wallet::{ReleaseReason, Wallet, WalletCommand};
use kvit_projections::Projector;
use kvit_testkit::TestDb;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

/// An event on its way into the table.
struct Stored {
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
    event_type: String,
    event_version: String,
    payload: String,
    metadata: String,
    at: DateTime<Utc>,
}

pub struct World {
    pub db: TestDb,
    /// The role of the application.
    pub pool: PgPool,
    owner: PgPool,
    /// When the next event is recorded; each event moves it on by a second.
    pub clock: DateTime<Utc>,
    sequences: HashMap<(String, String), i64>,
    waiting: Vec<Stored>,
    /// Position of the last event that was stored.
    pub head: Position,
    made: u32,
}

pub struct Person {
    pub id: UserId,
    pub user: User,
    pub wallet: Wallet,
    pub wallet_id: WalletId,
}

impl Person {
    pub fn actor(&self) -> String {
        format!("user:{}", self.id)
    }
}

pub fn uah(minor: i64) -> Money {
    Money::new(minor, Currency::Uah)
}

pub fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn campaign_id() -> CampaignId {
    CampaignId::derived("test", "campaign")
}

pub fn recognition(total: i64) -> Recognition {
    let purchased_at = "2026-03-09T15:31:00".parse().unwrap();
    Recognition {
        qr: QrReading::Fiscal {
            fiscal: FiscalQr {
                form: QrForm::Link,
                register_number: "4000000001".into(),
                receipt_number: "77".into(),
                purchased_at,
                total_minor: total,
                currency: Currency::Uah,
                is_return: false,
            },
            step: "grey".into(),
        },
        merchant: Some(Field::new(
            "Аптека «Ромашка»\0".into(),
            Confidence::from_thousandths(900),
        )),
        tax_id: None,
        register_number: None,
        receipt_number: None,
        purchased_at: None,
        purchased_on: None,
        currency: Currency::Uah,
        total_minor: None,
        items: vec![],
        is_return: false,
        confidence: Confidence::from_thousandths(870),
        anomalies: vec![],
        text: String::new(),
        stage_ms: vec![],
        short_edge_px: 900,
    }
}

impl World {
    pub async fn new() -> Self {
        Self::on(kvit_testkit::pg().await).await
    }

    pub async fn on(db: TestDb) -> Self {
        let owner = PgPoolOptions::new()
            .max_connections(2)
            .connect(&db.owner_url)
            .await
            .unwrap();
        Self {
            pool: db.pool.clone(),
            db,
            owner,
            clock: time("2026-03-10T09:00:00Z"),
            sequences: HashMap::new(),
            waiting: Vec::new(),
            head: 0,
            made: 0,
        }
    }

    pub fn projector(&self) -> Projector {
        Projector::new(self.pool.clone())
    }

    /// Stores what waits and folds it.
    pub async fn settle(&mut self) -> Position {
        self.flush().await;
        self.projector().catch_up().await.unwrap()
    }

    /// An event whatever it is.
    pub fn push(
        &mut self,
        aggregate_type: &str,
        aggregate_id: &str,
        actor: &str,
        event_type: &str,
        payload: &Value,
    ) {
        self.push_version(
            aggregate_type,
            aggregate_id,
            actor,
            (event_type, "1"),
            payload,
        );
    }

    fn push_version(
        &mut self,
        aggregate_type: &str,
        aggregate_id: &str,
        actor: &str,
        (event_type, event_version): (&str, &str),
        payload: &Value,
    ) {
        let sequence = self
            .sequences
            .entry((aggregate_type.into(), aggregate_id.into()))
            .or_default();
        *sequence += 1;
        self.waiting.push(Stored {
            aggregate_type: aggregate_type.into(),
            aggregate_id: aggregate_id.into(),
            sequence: *sequence,
            event_type: event_type.into(),
            event_version: event_version.into(),
            payload: payload.to_string(),
            metadata: json!({ "actor": actor }).to_string(),
            at: self.clock,
        });
        self.clock += TimeDelta::seconds(1);
    }

    /// Decides, keeps the state, and lets the events wait for [`World::flush`].
    pub fn run<A: Decide>(
        &mut self,
        id: impl Display,
        actor: &str,
        state: &mut A,
        command: &A::Command,
    ) -> Result<(), Rejection> {
        let (events, answer) = match state.decide(command) {
            Ok(events) => (events, Ok(())),
            Err(rejection) => {
                let recorded = state.record_refusal(command, &rejection);
                (recorded.into_iter().collect(), Err(rejection))
            }
        };
        for event in events {
            let payload = serde_json::to_value(&event).unwrap();
            self.push_version(
                A::TYPE,
                &id.to_string(),
                actor,
                (&event.event_type(), &event.event_version()),
                &payload,
            );
            state.apply(event);
        }
        answer
    }

    /// Stores what waits, as the owner of the database: only so can a test choose the times.
    pub async fn flush(&mut self) {
        for part in std::mem::take(&mut self.waiting).chunks(10_000) {
            macro_rules! column {
                ($field:ident) => {
                    part.iter().map(|e| e.$field.clone()).collect::<Vec<_>>()
                };
            }
            let positions: Vec<i64> = (self.head + 1..).take(part.len()).collect();
            let ids: Vec<Uuid> = part.iter().map(|_| Uuid::now_v7()).collect();
            sqlx::query(
                "INSERT INTO events (position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                                     payload, metadata, recorded_at, hash)
                 SELECT n.position, n.event_id, n.atype, n.aid, n.sequence, n.etype, n.version, n.payload::json,
                        n.metadata::json, n.at, sha256('')
                   FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
                               $8::text[], $9::timestamptz[], $10::text[])
                     AS n (position, event_id, atype, aid, sequence, etype, payload, metadata, at, version)",
            )
            .bind(&positions)
            .bind(ids)
            .bind(column!(aggregate_type))
            .bind(column!(aggregate_id))
            .bind(column!(sequence))
            .bind(column!(event_type))
            .bind(column!(payload))
            .bind(column!(metadata))
            .bind(column!(at))
            .bind(column!(event_version))
            .execute(&self.owner)
            .await
            .unwrap();
            self.head += part.len() as i64;
        }
    }

    /// SQL as the owner.
    pub async fn as_owner(&self, sql: &str) {
        sqlx::raw_sql(sql).execute(&self.owner).await.unwrap();
    }

    /// Name of the schema that queries read now.
    pub async fn schema(&self, name: &str) -> String {
        sqlx::query_scalar(
            "SELECT schema_name FROM projection_builds WHERE name = $1 AND state = 'active'",
        )
        .bind(name)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    pub fn number(&mut self) -> String {
        self.made += 1;
        self.made.to_string()
    }

    pub fn campaign(&mut self) -> Campaign {
        let mut campaign = Campaign::default();
        let draft = CampaignCommand::Draft {
            name: "Весна".into(),
            terms: CampaignTerms::default_campaign(10_000, 100_000),
        };
        self.run(campaign_id(), "admin:1", &mut campaign, &draft)
            .unwrap();
        self.run(
            campaign_id(),
            "admin:1",
            &mut campaign,
            &CampaignCommand::Activate {},
        )
        .unwrap();
        campaign
    }

    pub fn person(&mut self) -> Person {
        let id = UserId::derived("test", &self.number());
        let wallet_id = WalletId {
            user: id,
            currency: Currency::Uah,
        };
        let mut person = Person {
            id,
            user: User::default(),
            wallet: Wallet::default(),
            wallet_id,
        };
        let sealed = || Sealed::from_sealed("v1.k.c2VjcmV0".into());
        let actor = person.actor();
        for command in [
            UserCommand::Register {
                telegram_id: sealed(),
            },
            UserCommand::AcceptTerms {
                version: "2026-01".into(),
                language: Language::Uk,
            },
            UserCommand::SharePhone {
                phone: sealed(),
                phone_hash: format!("hash-{id}"),
                operator: Operator::Kyivstar,
            },
        ] {
            self.run(id, &actor, &mut person.user, &command).unwrap();
        }
        person
    }

    /// A receipt that was submitted and read.
    pub fn read_receipt(&mut self, person: &Person) -> (ReceiptId, Receipt) {
        let number = self.number();
        let id = ReceiptId::derived("test", &number);
        let mut receipt = Receipt::default();
        let submit = ReceiptCommand::Submit {
            user_id: person.id,
            image: ImageRef {
                sha256: format!("{number:0>64}"),
                key: format!("receipts/{number}.jpg"),
                content_type: "image/jpeg".into(),
                bytes: 100_000,
            },
            duplicate_of: None,
            submitted_at: self.clock,
        };
        self.run(id, &person.actor(), &mut receipt, &submit)
            .unwrap();
        let read = ReceiptCommand::RecordRecognition {
            recognition: Box::new(recognition(9_530)),
        };
        self.run(id, "policy:ocr", &mut receipt, &read).unwrap();
        (id, receipt)
    }

    pub fn reject(&mut self, person: &Person, codes: &[ReasonCode]) -> (ReceiptId, Receipt) {
        let (id, mut receipt) = self.read_receipt(person);
        let command = ReceiptCommand::Reject {
            campaign: Some(version()),
            reasons: codes.iter().copied().map(Reason::new).collect(),
        };
        self.run(id, "policy:rules", &mut receipt, &command)
            .unwrap();
        (id, receipt)
    }

    pub fn review(&mut self, person: &Person, codes: &[ReasonCode]) -> (ReceiptId, Receipt) {
        let (id, mut receipt) = self.read_receipt(person);
        let command = ReceiptCommand::RequestReview {
            campaign: version(),
            reasons: codes.iter().copied().map(Reason::new).collect(),
        };
        self.run(id, "policy:rules", &mut receipt, &command)
            .unwrap();
        (id, receipt)
    }

    /// A receipt that was accepted and whose reward is in the wallet.
    pub fn reward(&mut self, person: &mut Person, minor: i64) -> ReceiptId {
        let (id, mut receipt) = self.read_receipt(person);
        let command = ReceiptCommand::Accept {
            campaign: version(),
            reward: uah(minor),
            matches: vec![],
        };
        self.run(id, "policy:rules", &mut receipt, &command)
            .unwrap();
        let transaction_id = TransactionId::derived("reward", &id.to_string());
        self.post(
            person,
            transaction_id,
            TransactionKind::Reward,
            Account::BonusExpense,
            minor,
            &id.to_string(),
        )
        .unwrap();
        let posted = ReceiptCommand::RecordReward { transaction_id };
        self.run(id, "policy:reward", &mut receipt, &posted)
            .unwrap();
        id
    }

    /// Credits the wallet from an account; debits it towards the account when `minor` is below zero.
    pub fn post(
        &mut self,
        person: &mut Person,
        id: TransactionId,
        kind: TransactionKind,
        other: Account,
        minor: i64,
        reference: &str,
    ) -> Result<(), Rejection> {
        let own = Account::Wallet(person.wallet_id);
        let (debit, credit) = if minor < 0 {
            (own, other)
        } else {
            (other, own)
        };
        let amount = uah(minor.abs());
        let transaction = Transaction::simple(
            id,
            kind,
            debit,
            credit,
            amount,
            kyiv_day(self.clock),
            reference,
        );
        let command = WalletCommand::Post {
            wallet_id: person.wallet_id,
            transaction,
        };
        let wallet_id = person.wallet_id;
        self.run(wallet_id, "policy:ledger", &mut person.wallet, &command)
    }

    /// A payout that holds its amount.
    pub fn payout(
        &mut self,
        person: &mut Person,
        receipt_id: Option<ReceiptId>,
        minor: i64,
    ) -> (PayoutId, Payout) {
        let id = PayoutId::derived("test", &self.number());
        let hold_id = HoldId::derived("payout", &id.to_string());
        let mut payout = Payout::default();
        let request = PayoutCommand::Request {
            user_id: person.id,
            wallet_id: person.wallet_id,
            amount: uah(minor),
            destination: Sealed::from_sealed("v1.k.cGhvbmU".into()),
            operator: Some(Operator::Kyivstar),
            method: kvit_domain::payout::PayoutMethod::MobileTopUp,
            provider: ProviderName::Portmone,
            receipt_id,
            hold_id,
        };
        let place = WalletCommand::PlaceHold {
            hold_id,
            amount: uah(minor),
            purpose: format!("payout:{id}"),
            expires_at: self.clock + TimeDelta::days(30),
        };
        self.run(
            person.wallet_id,
            "policy:payout",
            &mut person.wallet,
            &place,
        )
        .unwrap();
        self.run(id, "policy:payout", &mut payout, &request)
            .unwrap();
        (id, payout)
    }

    pub fn send(&mut self, id: PayoutId, payout: &mut Payout, attempt: u32) {
        for command in [
            PayoutCommand::RecordCreated {
                attempt,
                bill_id: format!("bill-{attempt}"),
            },
            PayoutCommand::RecordSent {
                attempt,
                sender: Uuid::nil(),
                at: DateTime::UNIX_EPOCH,
            },
        ] {
            self.run(id, "policy:portmone", payout, &command).unwrap();
        }
    }

    pub fn paid(&mut self, person: &mut Person, id: PayoutId, payout: &mut Payout) {
        let terms = payout.terms.clone().unwrap();
        let bill_id = payout.bill_id.clone().unwrap();
        let succeed = PayoutCommand::Succeed {
            bill_id,
            paid_at: None,
            provider_id: None,
        };
        self.run(id, "policy:portmone", payout, &succeed).unwrap();
        let transaction = Transaction::simple(
            TransactionId::derived("payout", &id.to_string()),
            TransactionKind::Payout,
            Account::Wallet(person.wallet_id),
            Account::PayoutsClearing(terms.provider),
            terms.amount,
            kyiv_day(self.clock),
            id.to_string(),
        );
        let capture = WalletCommand::Capture {
            hold_id: payout.hold_id.unwrap(),
            transaction,
            release_rest: true,
        };
        self.run(
            person.wallet_id,
            "policy:payout",
            &mut person.wallet,
            &capture,
        )
        .unwrap();
    }

    pub fn failed(&mut self, person: &mut Person, id: PayoutId, payout: &mut Payout) {
        use kvit_domain::payout::FailedWhen;
        let when = match (payout.sender, &payout.bill_id) {
            (Some(sender), _) => FailedWhen::AfterSending { sender },
            (None, Some(_)) => FailedWhen::BeforeSending,
            (None, None) => FailedWhen::BeforeBill,
        };
        let fail = PayoutCommand::Fail {
            attempt: payout.attempt,
            when,
            code: "declined".into(),
            is_final: true,
            retry_at: None,
        };
        self.run(id, "policy:portmone", payout, &fail).unwrap();
        let release = WalletCommand::Release {
            hold_id: payout.hold_id.unwrap(),
            reason: ReleaseReason::Failed,
        };
        self.run(
            person.wallet_id,
            "policy:payout",
            &mut person.wallet,
            &release,
        )
        .unwrap();
    }

    pub fn job(&mut self, person: &Person, estimate: i64) -> (JobId, Job) {
        let id = JobId::derived("test", &self.number());
        let mut job = Job::default();
        let request = JobCommand::Request {
            user_id: person.id,
            wallet_id: person.wallet_id,
            kind: "image.generate".into(),
            estimate: uah(estimate),
            expires_at: self.clock + TimeDelta::minutes(30),
            hold_id: HoldId::derived("job", &id.to_string()),
        };
        self.run(id, &person.actor(), &mut job, &request).unwrap();
        (id, job)
    }
}

pub fn version() -> CampaignVersion {
    CampaignVersion {
        id: campaign_id(),
        version: 1,
    }
}

/// A day in the life: three people, receipts of every kind, payouts that succeed, fail and stay unknown, a job.
pub async fn busy_world() -> (World, Vec<Person>) {
    let mut world = World::new().await;
    world.campaign();
    let mut people: Vec<Person> = (0..3).map(|_| world.person()).collect();
    for person in &mut people {
        let receipt = world.reward(person, 100);
        let (id, mut payout) = world.payout(person, Some(receipt), 100);
        world.send(id, &mut payout, 1);
        world.paid(person, id, &mut payout);
    }
    let person = &mut people[0];
    let receipt = world.reward(person, 250);
    let (id, mut payout) = world.payout(person, Some(receipt), 200);
    world.send(id, &mut payout, 1);
    let unknown = PayoutCommand::RecordUnknown {
        attempt: 1,
        reason: "timeout".into(),
    };
    world
        .run(id, "policy:portmone", &mut payout, &unknown)
        .unwrap();
    world.reject(
        &people[1],
        &[ReasonCode::Expired, ReasonCode::NoEligibleProduct],
    );
    world.review(&people[2], &[ReasonCode::LowConfidence]);
    let receipt = world.reward(&mut people[2], 100);
    let (id, mut payout) = world.payout(&mut people[2], Some(receipt), 100);
    world.failed(&mut people[2], id, &mut payout);
    let (id, mut job) = world.job(&people[1], 50);
    let start = JobCommand::Start {
        worker: "w1".into(),
    };
    world.run(id, "policy:jobs", &mut job, &start).unwrap();
    world.flush().await;
    (world, people)
}
