//! The one typed configuration, read from the environment.
//!
//! [`settings`] is the table; everything else follows it. Values come from the environment, from files named by `NAME_FILE`
//! (secrets), from `.env` outside of production, and from the state folder of the local stack. All faults are reported at once.

mod fault;
mod money;
mod rules;
mod secret;
pub mod settings;
mod show;
mod sources;
mod values;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;

pub use fault::{Fault, Faults};
pub use money::{MoneyConfig, PortmoneGatewayConfig, YookassaConfig};
pub use secret::{EncryptionSecret, MASK, Secret};
pub use show::{reference, show};
pub use sources::{Source, Sources};

use crate::stack::{Endpoints, External, StorageSettings};
use settings as s;
use values::Values;

/// What the configuration is for, which decides what must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `up` and `demo`: services that are not given are embedded, secrets are made.
    Embedded,
    /// A role of its own: every service must be given.
    Role,
    /// Only looking (`config show`): nothing must be given.
    Show,
}

/// Where the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppEnv {
    /// On a developer's machine.
    Dev,
    /// Under test.
    Test,
    /// With real people's money.
    Prod,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Logs and traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A directive list of `tracing`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// Base address of the OTLP receiver.
    pub otlp_endpoint: Option<String>,
}

/// The gateway's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// The public address.
    pub public_url: Option<String>,
    /// The first API key.
    pub bootstrap_api_key: Option<Secret>,
    /// Whether `/metrics` asks for an API key.
    pub metrics_need_key: bool,
}

/// Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// As the application's role.
    pub url: Option<Secret>,
    /// As the schema's owner.
    pub owner_url: Option<Secret>,
    /// Connections that one process may hold.
    pub pool: u32,
}

/// The object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// Base address.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The region of signatures.
    pub region: String,
    /// Access key id.
    pub access_key: Option<Secret>,
    /// Secret key.
    pub secret_key: Option<Secret>,
}

/// The bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelegramConfig {
    /// The bot's token.
    pub bot_token: Option<Secret>,
    /// The alert bot's token.
    pub monitoring_bot_token: Option<Secret>,
    /// Admins, without repetition.
    pub admin_ids: Vec<i64>,
    /// Who may use the bot, without repetition; empty when everybody may.
    pub access_ids: Vec<i64>,
    /// The Bot API's base address.
    pub api_url: String,
    /// The public address for updates; polling without it.
    pub webhook_url: Option<String>,
    /// The word that comes with each update.
    pub webhook_secret: Option<Secret>,
}

/// Payouts to mobile numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortmoneConfig {
    /// The provider's address.
    pub url: String,
    /// Login of the company.
    pub login: Option<Secret>,
    /// Password of the company.
    pub password: Option<Secret>,
    /// Payee for operators without one of their own.
    pub payee_id: Option<String>,
    /// Payee for Kyivstar.
    pub payee_id_kyivstar: Option<String>,
    /// Payee for Vodafone.
    pub payee_id_vodafone: Option<String>,
    /// Payee for lifecell.
    pub payee_id_lifecell: Option<String>,
    /// Version of the protocol.
    pub version: String,
    /// Language of messages.
    pub lang: String,
    /// The method that asks for a payment's fate.
    pub status_method: Option<String>,
    /// Whether a bill that is still unpaid after an unclear answer is paid again.
    pub repay_created_bill: bool,
    /// Refusal codes after which a later attempt may succeed.
    pub temporary_codes: Vec<String>,
    /// Refusal codes that ask for another number.
    pub destination_codes: Vec<String>,
    /// Client certificate.
    pub cert_path: Option<PathBuf>,
    /// Its key.
    pub key_path: Option<PathBuf>,
    /// The word in notifications.
    pub webhook_token: Option<Secret>,
}

/// Reading receipts. Fractions are whole thousandths, so that no rule depends on rounding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcrConfig {
    /// tesseract's names of languages.
    pub languages: Vec<String>,
    /// Confidence for acceptance without a person, in thousandths (0.8 is 800).
    pub auto_accept: u16,
    /// Confidence below which a receipt is unreadable, in thousandths.
    pub manual_review: u16,
    /// Tolerance between lines and total, in thousandths of a percent (1 % is 1000).
    pub totals_tolerance_milli_percent: u16,
}

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the process runs.
    pub app_env: AppEnv,
    /// The state folder.
    pub dir: PathBuf,
    /// The zone of days and reports.
    pub timezone: Tz,
    /// The hour of the daily report in that zone.
    pub report_hour: u8,
    /// Where the terms can be read.
    pub terms_url: Option<String>,
    /// The version of the terms that people accept.
    pub terms_version: String,
    /// Patience with services that are away at the start.
    pub wait: Duration,
    /// The master key. Present in every purpose but [`Purpose::Show`].
    pub encryption_secret: Option<EncryptionSecret>,
    /// Logs and traces.
    pub log: LogConfig,
    /// The gateway's socket.
    pub http: HttpConfig,
    /// Postgres.
    pub database: DatabaseConfig,
    /// The bus.
    pub nats_url: Option<Secret>,
    /// On how many servers of the bus each stream is kept: 1, 3 or 5.
    pub nats_replicas: usize,
    /// The object store.
    pub storage: StorageConfig,
    /// The bot.
    pub telegram: TelegramConfig,
    /// Payouts.
    pub portmone: PortmoneConfig,
    /// Payments in, limits and proof.
    pub money: MoneyConfig,
    /// Reading.
    pub ocr: OcrConfig,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// [`Faults`] with all that is wrong; the process then ends with status 2.
    pub fn load(sources: &Sources, purpose: Purpose) -> Result<Self, Faults> {
        let (values, mut faults) = Values::read(sources);
        faults.extend(sources.faults());
        let config = Self::from_values(&values);
        faults.extend(rules::check(&config, &values, purpose));
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(Faults(faults))
        }
    }

    fn from_values(values: &Values) -> Self {
        let mut admin_ids = values.ids(&s::TELEGRAM_ADMIN_IDS);
        admin_ids.extend(values.ids(&s::ADMIN_TELEGRAM_ID));
        let app_env = match values.text_or_empty(&s::APP_ENV).as_str() {
            "prod" => AppEnv::Prod,
            "test" => AppEnv::Test,
            _ => AppEnv::Dev,
        };
        Self {
            app_env,
            dir: values.path(&s::KVIT_DIR).unwrap_or_default(),
            timezone: values.zone(&s::KVIT_TIMEZONE),
            report_hour: values.integer(&s::KVIT_REPORT_HOUR),
            terms_url: values.text(&s::KVIT_TERMS_URL),
            terms_version: values.text_or_empty(&s::KVIT_TERMS_VERSION),
            wait: Duration::from_secs(values.integer(&s::KVIT_WAIT_SECONDS)),
            encryption_secret: values.key(&s::ENCRYPTION_SECRET),
            log: LogConfig {
                level: values.text_or_empty(&s::LOG_LEVEL),
                format: match values.text_or_empty(&s::LOG_FORMAT).as_str() {
                    "json" => LogFormat::Json,
                    _ => LogFormat::Text,
                },
                otlp_endpoint: values.text(&s::OTEL_EXPORTER_OTLP_ENDPOINT),
            },
            http: HttpConfig {
                bind: values.address(&s::KVIT_BIND),
                port: values.integer(&s::PORT),
                public_url: values.text(&s::API_GATEWAY_URL),
                bootstrap_api_key: values.secret(&s::KVIT_BOOTSTRAP_API_KEY),
                metrics_need_key: values
                    .text(&s::KVIT_METRICS_KEY)
                    .map_or(app_env == AppEnv::Prod, |word| word == "yes"),
            },
            database: DatabaseConfig {
                url: values.secret(&s::DATABASE_URL),
                owner_url: values.secret(&s::DATABASE_OWNER_URL),
                pool: values.integer(&s::KVIT_DATABASE_POOL),
            },
            nats_url: values.secret(&s::NATS_URL),
            // One of the words of the table; a wrong one has its fault.
            nats_replicas: values
                .text_or_empty(&s::KVIT_NATS_REPLICAS)
                .parse()
                .unwrap_or(1),
            storage: StorageConfig {
                endpoint: values.text(&s::STORAGE_ENDPOINT),
                bucket: values.text_or_empty(&s::STORAGE_BUCKET),
                region: values.text_or_empty(&s::STORAGE_REGION),
                access_key: values.secret(&s::STORAGE_ACCESS_KEY),
                secret_key: values.secret(&s::STORAGE_SECRET_KEY),
            },
            telegram: TelegramConfig {
                bot_token: values.secret(&s::TELEGRAM_BOT_TOKEN),
                monitoring_bot_token: values.secret(&s::MONITORING_BOT_TOKEN),
                admin_ids: unique(admin_ids),
                access_ids: unique(values.ids(&s::KVIT_BOT_ACCESS_IDS)),
                api_url: values.text_or_empty(&s::TELEGRAM_API_URL),
                webhook_url: values.text(&s::TELEGRAM_WEBHOOK_URL),
                webhook_secret: values.secret(&s::TELEGRAM_WEBHOOK_SECRET),
            },
            portmone: PortmoneConfig {
                url: values.text_or_empty(&s::PORTMONE_URL),
                login: values.secret(&s::PORTMONE_LOGIN),
                password: values.secret(&s::PORTMONE_PASSWORD),
                payee_id: values.text(&s::PORTMONE_PAYEE_ID),
                payee_id_kyivstar: values.text(&s::PORTMONE_PAYEE_ID_KYIVSTAR),
                payee_id_vodafone: values.text(&s::PORTMONE_PAYEE_ID_VODAFONE),
                payee_id_lifecell: values.text(&s::PORTMONE_PAYEE_ID_LIFECELL),
                version: values.text_or_empty(&s::PORTMONE_VERSION),
                lang: values.text_or_empty(&s::PORTMONE_LANG),
                status_method: values.text(&s::PORTMONE_STATUS_METHOD),
                repay_created_bill: values.text_or_empty(&s::PORTMONE_REPAY_CREATED_BILL) == "yes",
                temporary_codes: list(values.text(&s::PORTMONE_TEMPORARY_CODES)),
                destination_codes: list(values.text(&s::PORTMONE_DESTINATION_CODES)),
                cert_path: values.path(&s::PORTMONE_CERT_PATH),
                key_path: values.path(&s::PORTMONE_KEY_PATH),
                webhook_token: values.secret(&s::PORTMONE_WEBHOOK_TOKEN),
            },
            money: MoneyConfig::from_values(values),
            ocr: OcrConfig {
                languages: values.words(&s::OCR_LANGUAGES),
                auto_accept: values.thousandths(&s::OCR_AUTO_ACCEPT_THRESHOLD),
                manual_review: values.thousandths(&s::OCR_MANUAL_REVIEW_THRESHOLD),
                totals_tolerance_milli_percent: values
                    .thousandths(&s::OCR_TOTALS_TOLERANCE_PERCENT),
            },
        }
    }

    /// What is allowed in `prod` but seldom meant, in words for the log. Nothing outside of `prod`. `migrates` says that
    /// this process brings the schema up to date.
    pub fn warnings(&self, migrates: bool) -> Vec<String> {
        rules::warnings(self, migrates)
    }

    /// The services that are given, for the local stack.
    pub fn external(&self) -> External {
        External {
            database: self.database.url.as_ref().map(|url| {
                let owner = self.database.owner_url.as_ref().unwrap_or(url);
                (url.expose().to_owned(), owner.expose().to_owned())
            }),
            nats: self.nats_url.as_ref().map(|url| url.expose().to_owned()),
            storage: self.storage_settings(),
        }
    }

    /// The endpoints of a role whose services are all given; `None` when one is missing.
    pub fn endpoints(&self) -> Option<Endpoints> {
        let External {
            database,
            nats,
            storage,
        } = self.external();
        let (database_url, database_owner_url) = database?;
        Some(Endpoints {
            database_url,
            database_owner_url,
            nats_url: nats?,
            storage: storage?,
        })
    }

    fn storage_settings(&self) -> Option<StorageSettings> {
        let storage = &self.storage;
        Some(StorageSettings {
            endpoint: storage.endpoint.clone()?,
            bucket: storage.bucket.clone(),
            access_key: storage.access_key.as_ref()?.expose().to_owned(),
            secret_key: storage.secret_key.as_ref()?.expose().to_owned(),
            region: storage.region.clone(),
        })
    }
}

fn unique(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The words between commas.
fn list(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
