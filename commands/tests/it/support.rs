//! A small world: the use cases, a provider that can be told to fail, and a bus that delivers every event to every policy.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::till::Till;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_commands::app::{App, AppParts, BulkCommand, BulkMode, PaymentSettings, Settings};
use kvit_commands::context::Context;
use kvit_commands::executor::{Executor, Limits};
use kvit_commands::policies::{
    Deciding, PayingOut, PaymentWorker, PaymentWorkerOptions, PayoutWorker, PayoutWorkerOptions,
    Reading, Rewarding, Transferring,
};
use kvit_commands::ports::bus::{ANY_EVENT, EventHandler, Handled, HandlerFault};
use kvit_commands::ports::limiter::{LimiterFault, RateLimiter};
use kvit_commands::ports::log::EventLog;
use kvit_commands::ports::objects::{ObjectFault, ObjectInfo, ObjectKey, ObjectStore};
use kvit_commands::ports::payment::PaymentProvider;
use kvit_commands::ports::payout::{
    BillStatus, BillView, PayoutOrder, PayoutProvider, ProviderFault,
};
use kvit_commands::ports::photos::{PhotoFacts, PhotoInspector};
use kvit_commands::ports::reader::{ReadFault, ReceiptReader};
use kvit_commands::ports::time::{Clock, System};
use kvit_commands::testing::{ManualClock, MarkingVault, MemoryLog};
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::{TransactionId, UserId, WalletId};
use kvit_domain::ledger::{Account, ProviderName, Side, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::phone::Phone;
use kvit_domain::quantity::Quantity;
use kvit_domain::recognition::{
    Confidence, Field, FiscalQr, QrForm, QrReading, ReceiptItem, Recognition,
};
use kvit_domain::rejection::Rejection;
use kvit_domain::rules::{CampaignTerms, kyiv_local};
use kvit_domain::user::Language;

#[derive(Default)]
struct MemoryObjects(Mutex<HashMap<String, Bytes>>);

#[async_trait]
impl ObjectStore for MemoryObjects {
    async fn put(&self, key: &ObjectKey, body: Bytes, _: &str) -> Result<(), ObjectFault> {
        self.0.lock().unwrap().insert(key.to_string(), body);
        Ok(())
    }
    async fn get(&self, key: &ObjectKey, _: usize) -> Result<Bytes, ObjectFault> {
        self.0
            .lock()
            .unwrap()
            .get(key.as_str())
            .cloned()
            .ok_or(ObjectFault::NotFound)
    }
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectFault> {
        let found = self.0.lock().unwrap().get(key.as_str()).map(Bytes::len);
        Ok(found.map(|size| ObjectInfo {
            size: size as u64,
            content_type: None,
        }))
    }
    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectFault> {
        self.0.lock().unwrap().remove(key.as_str());
        Ok(())
    }
}

struct AnyPhoto;

impl PhotoInspector for AnyPhoto {
    fn inspect(&self, bytes: &[u8]) -> Result<PhotoFacts, Rejection> {
        if bytes.starts_with(b"photo") {
            Ok(PhotoFacts {
                content_type: "image/jpeg",
                extension: "jpg",
                short_edge_px: 900,
            })
        } else {
            Err(Rejection::new("not_an_image", "not an image"))
        }
    }
    fn preview(&self, bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
        Ok(bytes.to_vec())
    }
}

#[derive(Default)]
struct CountingLimiter(Mutex<HashMap<String, Vec<String>>>);

#[async_trait]
impl RateLimiter for CountingLimiter {
    async fn take(
        &self,
        key: &str,
        token: &str,
        limit: u32,
        window: Duration,
    ) -> Result<Option<Duration>, LimiterFault> {
        let mut uses = self.0.lock().unwrap();
        let tokens = uses.entry(key.to_owned()).or_default();
        if tokens.iter().any(|known| known == token) {
            return Ok(None);
        }
        if tokens.len() >= limit as usize {
            return Ok(Some(window));
        }
        tokens.push(token.to_owned());
        Ok(None)
    }
}

/// Reads what the photo's text says: `photo <receipt number>`.
pub struct TextReader(pub DateTime<Utc>);

#[async_trait]
impl ReceiptReader for TextReader {
    async fn read(&self, photo: Bytes) -> Result<Recognition, ReadFault> {
        let text = String::from_utf8(photo.to_vec()).unwrap();
        let mut words = text.split_whitespace().skip(1);
        let number = words.next().unwrap();
        if number == "blurred" {
            return Err(ReadFault::Unreadable {
                code: "truncated".into(),
            });
        }
        let qr = match words.next() {
            Some("no-qr") => QrReading::Missing,
            _ => QrReading::Fiscal {
                fiscal: FiscalQr {
                    form: QrForm::Link,
                    register_number: "4000000001".into(),
                    receipt_number: number.into(),
                    purchased_at: kyiv_local(self.0),
                    total_minor: 9_530,
                    currency: Currency::Uah,
                    is_return: false,
                },
                step: "grey".into(),
            },
        };
        let sure = Confidence::CERTAIN;
        Ok(Recognition {
            qr,
            merchant: Some(Field::new("Аптека «Приклад»".into(), sure)),
            tax_id: None,
            register_number: Some(Field::new("4000000001".into(), sure)),
            receipt_number: Some(Field::new(number.into(), sure)),
            purchased_at: Some(Field::new(kyiv_local(self.0), sure)),
            purchased_on: None,
            currency: Currency::Uah,
            total_minor: Some(Field::new(9_530, sure)),
            items: vec![ReceiptItem {
                name: "Цитрамон-Дарниця табл. №10".into(),
                quantity: Quantity::ONE,
                unit_price_minor: Some(9_530),
                sum_minor: 9_530,
                discount_minor: 0,
                tax: None,
                barcode: None,
                code: None,
                confidence: sure,
            }],
            is_return: false,
            confidence: sure,
            anomalies: vec![],
            text: "текст чека".into(),
            stage_ms: vec![],
            short_edge_px: 900,
        })
    }
}

/// What the provider shall do with its next paying call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Pay,
    NotSent,
    PayButLoseTheAnswer,
    LoseTheRequest,
    RefuseForNow,
    RefuseForEver,
    AnswerAboutAnotherBill,
}

/// A provider with books of its own.
#[derive(Default)]
pub struct Provider {
    pub plan: Mutex<VecDeque<Behaviour>>,
    bills: Mutex<HashMap<String, (i64, bool)>>,
    taken_back: Mutex<Vec<String>>,
}

impl Provider {
    /// Money that really moved, minor units.
    pub fn moved(&self) -> i64 {
        self.bills
            .lock()
            .unwrap()
            .values()
            .filter(|(_, paid)| *paid)
            .map(|(minor, _)| minor)
            .sum()
    }

    /// The provider takes the money of a paid bill back.
    pub fn take_back(&self, bill_id: &str) {
        self.taken_back.lock().unwrap().push(bill_id.to_owned());
    }

    fn view(&self, bill_id: &str) -> BillView {
        let paid = self.bills.lock().unwrap()[bill_id].1;
        let status = if self
            .taken_back
            .lock()
            .unwrap()
            .iter()
            .any(|id| id == bill_id)
        {
            BillStatus::Reversed
        } else if paid {
            BillStatus::Paid
        } else {
            BillStatus::Created
        };
        BillView {
            bill_id: bill_id.into(),
            status,
            paid_amount: None,
            paid_at: None,
            provider_id: None,
        }
    }
}

#[async_trait]
impl PayoutProvider for Provider {
    fn provider(&self) -> ProviderName {
        ProviderName::Portmone
    }
    async fn create(&self, order: &PayoutOrder) -> Result<BillView, ProviderFault> {
        let mut bills = self.bills.lock().unwrap();
        let id = format!("bill-{}", bills.len() + 1);
        bills.insert(id.clone(), (order.amount.minor, false));
        Ok(BillView {
            bill_id: id,
            status: BillStatus::Created,
            paid_amount: None,
            paid_at: None,
            provider_id: None,
        })
    }
    async fn pay(&self, _: &PayoutOrder, bill_id: &str) -> Result<BillView, ProviderFault> {
        let behaviour = self
            .plan
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Behaviour::Pay);
        let pay = || {
            let mut bills = self.bills.lock().unwrap();
            let bill = bills.get_mut(bill_id).unwrap();
            assert!(!bill.1, "a bill was paid twice");
            bill.1 = true;
        };
        match behaviour {
            Behaviour::Pay => {
                pay();
                Ok(self.view(bill_id))
            }
            Behaviour::NotSent => Err(ProviderFault::NotSent("refused".into())),
            Behaviour::PayButLoseTheAnswer => {
                pay();
                Err(ProviderFault::Unknown("timeout".into()))
            }
            Behaviour::LoseTheRequest => Err(ProviderFault::Unknown("timeout".into())),
            Behaviour::RefuseForNow => Err(ProviderFault::Refused {
                code: "busy".into(),
                kind: kvit_commands::ports::payout::RefusalKind::Temporary,
            }),
            Behaviour::RefuseForEver => Err(ProviderFault::Refused {
                code: "payee".into(),
                kind: kvit_commands::ports::payout::RefusalKind::Permanent,
            }),
            Behaviour::AnswerAboutAnotherBill => {
                Err(ProviderFault::Mismatch("another bill".into()))
            }
        }
    }
    async fn status(
        &self,
        _: &PayoutOrder,
        bill_id: &str,
    ) -> Result<Option<BillView>, ProviderFault> {
        Ok(Some(self.view(bill_id)))
    }
}

pub struct World {
    pub app: App,
    pub log: Arc<MemoryLog>,
    pub clock: Arc<ManualClock>,
    pub provider: Arc<Provider>,
    pub till: Arc<Till>,
    options: PayoutWorkerOptions,
    policies: Vec<Box<dyn EventHandler>>,
    queue: VecDeque<(usize, RecordedEvent)>,
    /// What waits longer than somebody wanted to.
    resting: Vec<(usize, RecordedEvent)>,
    delivered: usize,
}

/// What may be paid out in a day here.
pub const DAILY_BUDGET: Money = Money::new(1_000, Currency::Uah);

pub fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

impl World {
    /// A world with an active default campaign.
    pub async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(start()));
        let log = Arc::new(MemoryLog::stamped_by(Arc::clone(&clock) as Arc<dyn Clock>));
        let provider = Arc::new(Provider::default());
        let app = Self::app_over(&log, &clock);
        let context = |step: &str| Context::new("test", step, "setup");
        let (id, _) = app.active_campaign().await.unwrap();
        let terms = CampaignTerms::default_campaign(100_000, 1_000_000);
        app.draft_campaign(id, "Default".into(), terms, &context("draft"))
            .await
            .unwrap();
        app.activate_campaign(id, &context("activate"))
            .await
            .unwrap();
        let mut world = Self {
            app,
            log,
            clock,
            provider,
            till: Arc::default(),
            options: PayoutWorkerOptions::default(),
            policies: vec![],
            queue: VecDeque::new(),
            resting: Vec::new(),
            delivered: 0,
        };
        world.restart();
        world
    }

    fn app_over(log: &Arc<MemoryLog>, clock: &Arc<ManualClock>) -> App {
        let executor = Executor::new(
            Arc::clone(log) as Arc<dyn EventLog>,
            Arc::clone(clock) as Arc<dyn Clock>,
            Arc::new(System),
            Limits::default(),
        );
        App::new(AppParts {
            executor,
            vault: Arc::new(MarkingVault::default()),
            objects: Arc::new(MemoryObjects::default()),
            photos: Arc::new(AnyPhoto),
            limiter: Arc::new(CountingLimiter::default()),
            settings: Settings {
                payments: PaymentSettings {
                    providers: vec![ProviderName::Yookassa],
                    ..PaymentSettings::default()
                },
                payout_budgets: vec![(ProviderName::Portmone, DAILY_BUDGET)],
                ..Settings::default_campaign()
            },
        })
    }

    /// The use cases as another process over the same log has them.
    pub fn another_process(&self) -> App {
        Self::app_over(&self.log, &self.clock)
    }

    /// Forgets everything that is only in memory, but for the photos, as a new process would, and delivers every event again.
    pub fn restart(&mut self) {
        let app = self.app.clone();
        let reader = Arc::new(TextReader(start()));
        let provider = Arc::clone(&self.provider) as Arc<dyn PayoutProvider>;
        self.policies = vec![
            Box::new(Reading::new(app.clone(), reader)),
            Box::new(Deciding::new(app.clone())),
            Box::new(Rewarding::new(app.clone())),
            Box::new(PayingOut::new(app.clone())),
            Box::new(PayoutWorker::new(app.clone(), provider, self.options)),
            Box::new(PaymentWorker::new(
                app.clone(),
                Arc::clone(&self.till) as Arc<dyn PaymentProvider>,
                PaymentWorkerOptions::default(),
            )),
            Box::new(Transferring::new(app)),
        ];
        self.queue.clear();
        self.resting.clear();
        self.delivered = 0;
    }

    /// As a provider's contract may allow; see the worker's options.
    pub fn repay_created_bills(&mut self) {
        self.options.repay_created = true;
        self.restart();
    }

    pub async fn shopper(&self, telegram_id: i64) -> UserId {
        let context = |step: &str| Context::new("test", format!("{telegram_id}:{step}"), "setup");
        let id = self
            .app
            .register(telegram_id, &context("register"))
            .await
            .unwrap();
        self.app
            .accept_terms(id, "1", Language::Uk, &context("terms"))
            .await
            .unwrap();
        self.app
            .share_phone(id, &Phone::parse("0671234567").unwrap(), &context("phone"))
            .await
            .unwrap();
        id
    }

    /// Delivers everything, moving the clock over every pause, until nothing is left. How many deliveries it took.
    pub async fn settle(&mut self) -> usize {
        self.settle_within(TimeDelta::days(3_650)).await
    }

    /// Delivers the next event once, whatever comes of it.
    pub async fn step_once(&mut self) {
        self.settle_until(self.clock.now(), 1).await;
    }

    /// The same, but what wants to wait until after this time stays waiting.
    pub async fn settle_within(&mut self, time: TimeDelta) -> usize {
        self.settle_until(self.clock.now() + time, usize::MAX).await
    }

    async fn settle_until(&mut self, end: DateTime<Utc>, most: usize) -> usize {
        let mut deliveries = 0;
        self.queue.extend(self.resting.drain(..));
        loop {
            for event in self
                .log
                .read(self.delivered as i64, usize::MAX)
                .await
                .unwrap()
            {
                self.delivered += 1;
                for (index, policy) in self.policies.iter().enumerate() {
                    let wanted = policy.interests().iter().any(|(aggregate, name)| {
                        *aggregate == event.stream.aggregate_type
                            && (*name == ANY_EVENT || *name == event.event_type)
                    });
                    if wanted {
                        self.queue.push_back((index, event.clone()));
                    }
                }
            }
            let Some((index, event)) = self.queue.pop_front() else {
                return deliveries;
            };
            deliveries += 1;
            assert!(deliveries < 30_000, "the policies do not come to rest");
            if deliveries > most {
                return deliveries;
            }
            match self.policies[index].handle(&event).await {
                Ok(Handled::Done | Handled::Skipped) => {}
                Ok(Handled::Later(pause)) => {
                    let pause = TimeDelta::from_std(pause).unwrap();
                    if self.clock.now() + pause > end {
                        self.resting.push((index, event));
                    } else {
                        self.clock.advance(pause);
                        self.queue.push_back((index, event));
                    }
                }
                Err(HandlerFault::Transient { .. }) => {
                    self.clock.advance(TimeDelta::seconds(1));
                    self.queue.push_back((index, event));
                }
                Err(poison) => panic!(
                    "{} on {}: {poison}",
                    self.policies[index].name(),
                    event.event_type
                ),
            }
        }
    }

    /// The person spends money on something that is no concern here.
    pub async fn spend(&self, user: UserId, amount: Money) {
        let wallet_id = WalletId {
            user,
            currency: amount.currency,
        };
        let command = BulkCommand::Post {
            wallet_id,
            transaction_id: TransactionId::derived("spent", &amount.to_string()),
            side: Side::Debit,
            amount,
            account: Account::JobsRevenue,
            kind: TransactionKind::Job,
            value_date: None,
            reference: "job".into(),
            description: String::new(),
        };
        let context = Context::new("test", format!("spend:{amount}"), "spend");
        let done = self
            .app
            .run_bulk(BulkMode::Atomic, vec![command], &context)
            .await
            .unwrap();
        assert!(done[0].is_ok());
    }

    /// What a consumer does with the first event of this name that the policy could never handle.
    pub async fn give_up(&self, policy: &str, event_type: &str) {
        let event = self
            .log
            .all()
            .into_iter()
            .find(|event| event.event_type == event_type)
            .unwrap();
        let policy = self
            .policies
            .iter()
            .find(|known| known.name() == policy)
            .unwrap();
        policy.give_up(&event).await.unwrap();
    }

    pub fn count(&self, event_type: &str) -> usize {
        self.log
            .all()
            .iter()
            .filter(|event| event.event_type == event_type)
            .count()
    }
}
