//! The parts that the roles share: connections, the log, the use cases.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvit_adapters::nats::{self, BusFault};
use kvit_adapters::postgres::{
    LogOptions, PgEventLog, PgLease, PgRateLimiter, PgSettings, migrate,
};
use kvit_adapters::s3::{S3Objects, S3Settings};
use kvit_adapters::traffic::Recorder;
use kvit_adapters::vault::{MasterKeys, PgVault};
use kvit_commands::app::{App, AppParts, PaymentSettings, Settings};
use kvit_commands::executor::{Executor, Limits};
use kvit_commands::ports::lease::Lease;
use kvit_commands::ports::log::EventLog;
use kvit_commands::ports::objects::ObjectStore;
use kvit_commands::ports::time::System;
use kvit_commands::ports::vault::Vault;
use kvit_domain::ledger::ProviderName;
use kvit_domain::recognition::Confidence;
use kvit_domain::rules::Thresholds;
use sqlx::PgPool;

use super::photos::Photos;
use crate::config::{AppEnv, Config};
use crate::stack::Endpoints;
use crate::ui;

/// Pause between two looks at a service that is away.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Why the parts could not be put together. Texts hold no address with a password.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// The service did not answer within KVIT_WAIT_SECONDS.
    #[error("{service} is not available: {why}")]
    Away {
        /// Which.
        service: &'static str,
        /// What it said last.
        why: String,
    },
    /// A part refuses its settings.
    #[error("{part} cannot be used: {why}")]
    Refused {
        /// Which.
        part: &'static str,
        /// Why.
        why: String,
    },
}

/// What every role of a process stands on.
pub struct Parts {
    /// Connections as the application's role.
    pub pool: PgPool,
    /// The log.
    pub log: Arc<PgEventLog>,
    /// The connection to the bus.
    pub client: async_nats::Client,
    /// The bus.
    pub bus: async_nats::jetstream::Context,
    /// Leases.
    pub lease: Arc<dyn Lease>,
    /// Keys of people.
    pub vault: Arc<dyn Vault>,
    /// Photos, for the readiness check.
    pub objects: S3Objects,
    /// Keeps what is said to providers of money.
    pub recorder: Recorder,
    /// The use cases.
    pub app: App,
}

impl Parts {
    /// Connects to everything, waiting for what is away.
    ///
    /// # Errors
    /// [`PartsError`], after the patience of the configuration.
    pub async fn open(
        config: &Config,
        endpoints: &Endpoints,
        role: &'static str,
    ) -> Result<Self, PartsError> {
        let settings = PgSettings::new(endpoints.database_url.clone(), format!("kvit-{role}"))
            .with_max_connections(config.database.pool);
        let refused = |part: &'static str, why: String| PartsError::Refused { part, why };
        let pool = settings
            .pool()
            .map_err(|error| refused("DATABASE_URL", error.to_string()))?;
        patiently(config.wait, "Postgres with its migrations", || {
            schema_is_current(&pool)
        })
        .await?;
        let client = patiently(config.wait, "NATS", || async {
            nats::connect(&endpoints.nats_url, &format!("kvit-{role}"))
                .await
                .map_err(|fault| fault.to_string())
        })
        .await?;
        let bus = nats::jetstream(client.clone());
        patiently(config.wait, "JetStream", || async {
            nats::ensure_streams(&bus, config.nats_replicas)
                .await
                .map_err(|fault: BusFault| fault.to_string())
        })
        .await?;
        let storage = &endpoints.storage;
        let objects = S3Objects::try_new(&S3Settings {
            endpoint: storage.endpoint.clone(),
            region: storage.region.clone(),
            bucket: storage.bucket.clone(),
            access_key: storage.access_key.clone(),
            secret_key: storage.secret_key.clone(),
            timeout: Duration::from_secs(20),
        })
        .map_err(|fault| refused("STORAGE_*", fault.to_string()))?;
        patiently(config.wait, "object storage", || async {
            objects.check().await.map_err(|fault| fault.to_string())
        })
        .await?;
        let secret = config
            .encryption_secret
            .as_ref()
            .ok_or_else(|| refused("ENCRYPTION_SECRET", "it is not set".to_owned()))?;
        let masters = MasterKeys::try_new(secret.expose())
            .map_err(|fault| refused("ENCRYPTION_SECRET", fault.to_string()))?;
        let vault = PgVault::open_with(pool.clone(), masters)
            .await
            .map_err(|fault| refused("ENCRYPTION_SECRET", fault.to_string()))?;
        let vault: Arc<dyn Vault> = Arc::new(vault);
        let log = PgEventLog::start(
            &settings,
            pool.clone(),
            LogOptions::default(),
            Some(client.clone()),
        )
        .map_err(|fault| refused("DATABASE_URL", fault.to_string()))?;
        let executor = Executor::new(
            Arc::clone(&log) as Arc<dyn EventLog>,
            Arc::new(System),
            Arc::new(System),
            Limits::default(),
        );
        let app = App::new(AppParts {
            executor,
            vault: Arc::clone(&vault),
            objects: Arc::new(objects.clone()) as Arc<dyn ObjectStore>,
            photos: Arc::new(Photos),
            limiter: Arc::new(PgRateLimiter::new(pool.clone())),
            settings: Settings {
                thresholds: thresholds(config),
                payout_budgets: config.money.payout_limits.clone(),
                payments: payments(config),
                ..Settings::default_campaign()
            },
        });
        let lease: Arc<dyn Lease> = Arc::new(PgLease::new(pool.clone()));
        Ok(Self {
            recorder: Recorder::start(pool.clone(), Arc::clone(&vault), Arc::new(System)),
            pool,
            log,
            client,
            bus,
            lease,
            vault,
            objects,
            app,
        })
    }
}

fn thresholds(config: &Config) -> Thresholds {
    Thresholds {
        automatic: Confidence::from_thousandths(config.ocr.auto_accept),
        readable: Confidence::from_thousandths(config.ocr.manual_review),
    }
}

/// Through whom people can pay in, and where they come back to.
fn payments(config: &Config) -> PaymentSettings {
    let money = &config.money;
    let mut providers = Vec::new();
    if money.portmone_gateway.payee_id.is_some() {
        providers.push(ProviderName::Portmone);
    }
    if money.yookassa.shop_id.is_some() {
        providers.push(ProviderName::Yookassa);
    }
    let own = || {
        let base = config
            .http
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{}:{}", config.http.bind, config.http.port));
        format!("{}/return", base.trim_end_matches('/'))
    };
    PaymentSettings {
        providers,
        test: config.app_env != AppEnv::Prod,
        return_url: money.yookassa.return_url.clone().unwrap_or_else(own),
        ..PaymentSettings::default()
    }
}

/// Whether the database is there and its schema is not behind this program.
pub async fn schema_is_current(pool: &PgPool) -> Result<(), String> {
    match migrate::pending(pool).await {
        Ok(pending) if pending.is_empty() => Ok(()),
        Ok(pending) => Err(format!(
            "{} migrations are to be applied: run `kvit migrate`",
            pending.len()
        )),
        Err(fault) => Err(fault.to_string()),
    }
}

/// Tries until it works or the patience ends; says so once when it has to wait.
async fn patiently<T, F, A>(
    patience: Duration,
    service: &'static str,
    mut attempt: F,
) -> Result<T, PartsError>
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + patience;
    let mut told = false;
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(why) if Instant::now() >= deadline => {
                return Err(PartsError::Away { service, why });
            }
            Err(why) => {
                if !told {
                    ui::note(format_args!(
                        "waiting for {service} (at most {} s): {why}",
                        patience.as_secs()
                    ));
                    told = true;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}
