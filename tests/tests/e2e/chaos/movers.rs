//! Programs that move money all the time, as integrators should: every change under a key, repeated until it is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use kvit_adapters::sandbox::yookassa::client::YookassaControl;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::PATIENCE;
use crate::support::api::Api;
use crate::support::till::{Person, Till, amount, sbp, yoomoney};

/// Roubles into hryvnias: so many hundredths.
pub const RATE: i64 = 45;

/// What one program has asked for and been promised.
#[derive(Debug, Default)]
pub struct Deeds {
    pub payments: Vec<String>,
    pub refunds: Vec<String>,
    /// In roubles, through YooKassa.
    pub payouts: Vec<String>,
    /// In hryvnias, to the phone.
    pub top_ups: Vec<String>,
    /// To whom of the others, and how much.
    pub transfers: Vec<(String, usize, i64)>,
    pub exchanges: Vec<(String, i64)>,
    /// Answers that said no, which is an answer too.
    pub refused: usize,
}

impl Deeds {
    /// The paths of everything that must come to an end.
    pub fn all(&self) -> impl Iterator<Item = String> {
        let of = |kind: &'static str, ids: &[String]| -> Vec<String> {
            ids.iter().map(|id| format!("/v1/{kind}/{id}")).collect()
        };
        let transfers: Vec<String> = self.transfers.iter().map(|(id, ..)| id.clone()).collect();
        let exchanges: Vec<String> = self.exchanges.iter().map(|(id, _)| id.clone()).collect();
        [
            of("payments", &self.payments),
            of("refunds", &self.refunds),
            of("payouts", &self.payouts),
            of("payouts", &self.top_ups),
            of("transfers", &transfers),
            of("transfers", &exchanges),
        ]
        .into_iter()
        .flatten()
    }
}

/// One program at work for one of the people.
pub struct Mover<'a> {
    pub till: &'a Till,
    pub people: &'a [Person],
    pub me: usize,
    dice: StdRng,
    /// Keys so far.
    count: u32,
    deeds: Deeds,
}

/// What a payer does with the page.
#[derive(Debug, Clone, Copy)]
enum Payer {
    Pays,
    Declines,
    PaysAndIsCaptured(i64),
    PaysAndIsCancelled,
}

impl<'a> Mover<'a> {
    pub fn new(till: &'a Till, people: &'a [Person], me: usize, seed: u64) -> Self {
        let own = seed ^ (0x9e37 * (u64::try_from(me).unwrap() + 1));
        Self {
            till,
            people,
            me,
            dice: StdRng::seed_from_u64(own),
            count: 0,
            deeds: Deeds::default(),
        }
    }

    /// Moves money until the end, and sees that every page that was made gets its payer.
    pub async fn work(mut self, until: Instant) -> Deeds {
        let mut payers = Payers::new(self.till);
        // Nothing goes out before something came in.
        self.pays_in(&mut payers).await;
        while Instant::now() < until {
            match self.dice.random_range(0..100) {
                0..38 => self.pays_in(&mut payers).await,
                38..54 => self.gives_back().await,
                54..74 => self.pays_out().await,
                74..84 => self.sends().await,
                84..92 => self.exchanges().await,
                _ => self.tops_up().await,
            }
            let pause = self.dice.random_range(50..400);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        payers.all_done().await;
        self.deeds
    }

    fn wallet(&self, currency: &str) -> String {
        self.people[self.me].wallet(currency)
    }

    /// The id that was promised, or nothing when it was refused.
    async fn ask(&mut self, path: &str, body: &Value) -> Option<String> {
        self.count += 1;
        let key = format!("mover-{}-{}", self.me, self.count);
        let (status, answer) = self.till.api.persist(path, &key, body).await;
        // Not enough, not paid yet, too much given back; or nothing has come in so far.
        if status == 409 || answer["code"] == "wallet_not_open" {
            self.deeds.refused += 1;
            return None;
        }
        assert_eq!(status, 201, "{path} {body}: {answer}");
        Some(answer["id"].as_str().unwrap().to_owned())
    }

    async fn pays_in(&mut self, payers: &mut Payers) {
        let minor = self.dice.random_range(1_000..20_000);
        let payer = match self.dice.random_range(0..10) {
            0 => Payer::Declines,
            1 => Payer::PaysAndIsCaptured(self.dice.random_range(1..=minor)),
            2 => Payer::PaysAndIsCancelled,
            _ => Payer::Pays,
        };
        let capture = matches!(payer, Payer::Pays | Payer::Declines);
        let body = json!({
            "user_id": self.people[self.me].id, "provider": "yookassa", "amount": amount(minor, "RUB"),
            "capture": capture,
        });
        let Some(id) = self.ask("/v1/payments", &body).await else {
            return;
        };
        payers.send(&id, payer);
        self.deeds.payments.push(id);
    }

    async fn gives_back(&mut self) {
        let Some(payment) = self.deeds.payments.choose(&mut self.dice).cloned() else {
            return;
        };
        let minor = self.dice.random_range(1..5_000);
        let body = json!({"amount": amount(minor, "RUB"), "reason": "not needed"});
        let path = format!("/v1/payments/{payment}/refunds");
        let made = self.ask(&path, &body).await;
        self.deeds.refunds.extend(made);
    }

    async fn pays_out(&mut self) {
        let minor = self.dice.random_range(100..3_000);
        let route = if self.dice.random_bool(0.5) {
            sbp()
        } else {
            yoomoney()
        };
        let body = json!({
            "user_id": self.people[self.me].id, "amount": amount(minor, "RUB"), "route": route,
        });
        let made = self.ask("/v1/payouts", &body).await;
        self.deeds.payouts.extend(made);
    }

    async fn sends(&mut self) {
        let step = self.dice.random_range(1..self.people.len());
        let to = (self.me + step) % self.people.len();
        let minor = self.dice.random_range(1..2_000);
        let body = json!({
            "from": self.wallet("RUB"), "to": self.people[to].wallet("RUB"), "amount": amount(minor, "RUB"),
        });
        let made = self.ask("/v1/transfers", &body).await;
        let made = made.map(|id| (id, to, minor));
        self.deeds.transfers.extend(made);
    }

    async fn exchanges(&mut self) {
        let minor = self.dice.random_range(100..3_000);
        let now = Utc::now();
        let body = json!({
            "from": self.wallet("RUB"), "to": self.wallet("UAH"), "amount": amount(minor, "RUB"),
            "quote": {
                "numerator": RATE, "denominator": 100, "source": "desk", "quoted_at": now - TimeDelta::minutes(1),
                "expires_at": now + TimeDelta::minutes(10),
            },
        });
        let made = self.ask("/v1/transfers", &body).await;
        self.deeds.exchanges.extend(made.map(|id| (id, minor)));
    }

    async fn tops_up(&mut self) {
        let minor = self.dice.random_range(100..1_000);
        let body = json!({
            "user_id": self.people[self.me].id, "amount": amount(minor, "UAH"), "route": {"to": "phone"},
        });
        let made = self.ask("/v1/payouts", &body).await;
        self.deeds.top_ups.extend(made);
    }
}

/// People in front of payment pages: they do not wait for each other.
struct Payers {
    yookassa: YookassaControl,
    api: Arc<Api>,
    tasks: JoinSet<()>,
}

impl Payers {
    fn new(till: &Till) -> Self {
        Self {
            yookassa: till.yookassa.clone(),
            api: till.api.clone(),
            tasks: JoinSet::new(),
        }
    }

    fn send(&mut self, payment: &str, payer: Payer) {
        let (yookassa, api) = (self.yookassa.clone(), Arc::clone(&self.api));
        let id = payment.to_owned();
        self.tasks.spawn(async move {
            let begun = Instant::now();
            let theirs = loop {
                assert!(begun.elapsed() < PATIENCE * 2, "no page for {id}");
                let books = yookassa.books().await.unwrap();
                let mut payments = books.payments.into_iter();
                let own = payments.find(|one| one.operation_id.as_deref() == Some(&id));
                match own {
                    Some(own) => break own.id,
                    None => tokio::time::sleep(Duration::from_millis(500)).await,
                }
            };
            if let Payer::Declines = payer {
                yookassa
                    .decline(&theirs, "insufficient_funds")
                    .await
                    .unwrap();
                return;
            }
            yookassa.pay(&theirs).await.unwrap();
            let path = format!("/v1/payments/{id}");
            let (path, body) = match payer {
                Payer::Pays | Payer::Declines => return,
                Payer::PaysAndIsCaptured(minor) => (
                    format!("{path}/capture"),
                    json!({"amount": amount(minor, "RUB")}),
                ),
                Payer::PaysAndIsCancelled => (format!("{path}/cancel"), json!({})),
            };
            // Refused until the platform knows that the money is held; a refusal stays with its key.
            for number in 0.. {
                let key = format!("after-{id}-{number}");
                let (status, answer) = api.persist(&path, &key, &body).await;
                match status {
                    200 => return,
                    409 => tokio::time::sleep(Duration::from_millis(500)).await,
                    _ => panic!("{path}: {status} {answer}"),
                }
            }
        });
    }

    async fn all_done(mut self) {
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
    }
}
