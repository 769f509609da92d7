//! The tasks of each role.

use std::sync::Arc;
use std::time::Duration;

use kvit_adapters::audit::CheckpointKey;
use kvit_adapters::keys::PgApiKeys;
use kvit_adapters::nats::{Consumer, ConsumerOptions, DeadLetters, Relay, RelayOptions, Shutdown};
use kvit_adapters::notifications::PgNotificationInbox;
use kvit_adapters::portmone::{acknowledgement, parse_notification};
use kvit_adapters::telegram::{
    PgCallbackTokens, PgDialogues, PgMessageBoard, PgUpdateInbox, TelegramSender, connect,
};
use kvit_adapters::yookassa::is_yookassa_address;
use kvit_bot::{Access, Bot, BotConfig, BotDeps, Mode, Notices, webhook_router};
use kvit_commands::policies::{Deciding, PayingOut, Reading, Rewarding, Transferring};
use kvit_commands::ports::bus::EventHandler;
use kvit_commands::ports::log::EventLog;
use kvit_commands::ports::time::System;
use kvit_gateway::helpers::WebhookAnswer;
use kvit_gateway::sources::SourceList;
use kvit_gateway::{GatewayParts, Helpers};
use kvit_ocr::EngineConfig;
use kvit_projections::Projector;
use teloxide::dispatching::dialogue::Storage as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::money::{self, Asker, Money};
use super::parts::Parts;
use super::reader::Readers;
use super::schedule::{self, Schedule};
use super::traced::Traced;
use super::{RoleError, Tasks, checks, gauges, retention, sweeper};
use crate::config::Config;
use crate::shutdown::ShutdownToken;
use crate::telemetry::Telemetry;

/// Path of the webhook at the gateway.
const TELEGRAM_PATH: &str = "/webhooks/telegram";

/// The stop token in the form that adapters and bot take.
fn stop_signal(shutdown: &ShutdownToken) -> Shutdown {
    let (tell, told) = watch::channel(false);
    let token = shutdown.clone();
    tokio::spawn(async move {
        token.cancelled().await;
        // Fails only when nobody listens any more.
        let _ = tell.send(true);
    });
    told
}

/// Publishes the log on the bus.
pub fn relay(tasks: &mut Tasks, parts: &Arc<Parts>, shutdown: &ShutdownToken) {
    let relay = Relay::new(
        Arc::clone(&parts.log) as Arc<dyn EventLog>,
        parts.bus.clone(),
        Arc::clone(&parts.lease),
        parts.app.fresh_id().to_string(),
        RelayOptions::default(),
    );
    let stop = stop_signal(shutdown);
    tasks.spawn(async move { Ok(relay.run(stop).await?) });
}

/// Folds the read models.
pub fn projector(tasks: &mut Tasks, parts: &Arc<Parts>, shutdown: &ShutdownToken) {
    let projector = Projector::new(parts.pool.clone());
    let (tell, hint) = watch::channel(0);
    let (log, token) = (Arc::clone(&parts.log), shutdown.clone());
    tasks.spawn(async move {
        let mut seen = 0;
        while !token.is_cancelled() {
            log.wait_beyond(seen, Duration::from_secs(1)).await;
            match log.head().await {
                Ok(head) => seen = head,
                // The projector looks by itself; a pause keeps this loop from spinning while the database is away.
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
            tell.send_replace(seen);
        }
        Ok(())
    });
    let token = shutdown.clone();
    tasks.spawn(async move {
        projector.run(token, hint).await;
        Ok(())
    });
}

/// Runs the policies.
pub fn worker(
    tasks: &mut Tasks,
    parts: &Arc<Parts>,
    config: &Config,
    shutdown: &ShutdownToken,
) -> Result<(), RoleError> {
    let app = &parts.app;
    let board = Arc::new(PgMessageBoard::new(parts.pool.clone()));
    let tokens = Arc::new(PgCallbackTokens::new(parts.pool.clone()));
    let mut handlers: Vec<Arc<dyn EventHandler>> = vec![
        Arc::new(Deciding::new(app.clone())),
        Arc::new(Rewarding::new(app.clone())),
        Arc::new(PayingOut::new(app.clone())),
        Arc::new(Transferring::new(app.clone())),
        Arc::new(Notices::new(app.clone(), board, tokens)),
    ];
    let money = Money::build(parts, config)?;
    if money.payouts.is_empty() {
        tracing::warn!("no provider of payouts is configured: payouts wait");
    }
    for worker in money.payouts.into_values() {
        handlers.push(worker);
    }
    for worker in money.payments.into_values() {
        handlers.push(worker);
    }
    for following in money.following {
        let token = shutdown.clone();
        tasks.spawn(async move {
            money::follow(following, token).await;
            Ok(())
        });
    }
    let plan = Schedule {
        reconciling: money.reconciling,
        checkpoint_key: checkpoint_key(config)?,
    };
    let (keeping, token) = (Arc::clone(parts), shutdown.clone());
    tasks.spawn(async move {
        schedule::run(keeping, plan, token).await;
        Ok(())
    });
    for handler in handlers {
        consume(tasks, parts, handler, ConsumerOptions::default(), shutdown);
    }
    let (sweeping, token) = (Arc::clone(parts), shutdown.clone());
    tasks.spawn(async move {
        sweeper::run(sweeping, token).await;
        Ok(())
    });
    let (keeping, token) = (Arc::clone(parts), shutdown.clone());
    tasks.spawn(async move {
        retention::run(keeping, token).await;
        Ok(())
    });
    Ok(())
}

/// The key of checkpoints.
fn checkpoint_key(config: &Config) -> Result<Option<CheckpointKey>, RoleError> {
    let seed = config.money.checkpoint_key.as_ref();
    seed.map(|seed| CheckpointKey::from_seed(seed.expose()))
        .transpose()
        .map_err(|error| RoleError::Unusable {
            setting: "KVIT_CHECKPOINT_KEY",
            why: error.to_string(),
        })
}

/// Reads photos.
pub fn ocr(
    tasks: &mut Tasks,
    parts: &Arc<Parts>,
    config: &Config,
    shutdown: &ShutdownToken,
) -> Result<(), RoleError> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    let engine = EngineConfig {
        languages: config.ocr.languages.join("+"),
        ..EngineConfig::default()
    };
    let readers = Readers::start(&engine, threads).map_err(|error| RoleError::Unusable {
        setting: "OCR_LANGUAGES",
        why: error.to_string(),
    })?;
    let handler = Arc::new(Reading::new(parts.app.clone(), Arc::new(readers)));
    // One more than can be read at once, so that a photo is fetched while another is read.
    let options = ConsumerOptions {
        concurrency: threads.saturating_add(1),
        in_hand: threads.saturating_mul(4),
        max_tries: 5,
        ..ConsumerOptions::default()
    };
    consume(tasks, parts, handler, options, shutdown);
    Ok(())
}

fn consume(
    tasks: &mut Tasks,
    parts: &Arc<Parts>,
    handler: Arc<dyn EventHandler>,
    options: ConsumerOptions,
    shutdown: &ShutdownToken,
) {
    let consumer = Consumer::new(parts.bus.clone(), Arc::new(Traced::new(handler)), options);
    let stop = stop_signal(shutdown);
    tasks.spawn(async move {
        consumer.run(stop).await;
        Ok(())
    });
}

/// Runs the bot.
pub fn bot(
    tasks: &mut Tasks,
    parts: &Arc<Parts>,
    config: &Config,
    shutdown: &ShutdownToken,
) -> Result<(), RoleError> {
    let bot = the_bot(parts, config)?;
    let token = shutdown.clone();
    tasks.spawn(async move {
        bot.run(token).await;
        Ok(())
    });
    Ok(())
}

/// The bot with its parts; nothing runs yet.
fn the_bot(parts: &Arc<Parts>, config: &Config) -> Result<Bot, RoleError> {
    let token = config
        .telegram
        .bot_token
        .as_ref()
        .ok_or(RoleError::Missing {
            role: "bot",
            setting: "TELEGRAM_BOT_TOKEN",
        })?;
    let unusable = |setting: &'static str, why: String| RoleError::Unusable { setting, why };
    let api_url = config
        .telegram
        .api_url
        .parse()
        .map_err(|error: url::ParseError| unusable("TELEGRAM_API_URL", error.to_string()))?;
    let telegram = connect(token.expose(), Some(&api_url))
        .map_err(|error| unusable("TELEGRAM_BOT_TOKEN", error.to_string()))?;
    let app = parts.app.clone();
    let names = app.clone();
    Ok(Bot::new(BotDeps {
        config: bot_config(config)?,
        telegram: telegram.clone(),
        app,
        pool: parts.pool.clone(),
        inbox: Arc::new(PgUpdateInbox::new(
            parts.pool.clone(),
            Arc::clone(&parts.vault),
        )),
        board: Arc::new(PgMessageBoard::new(parts.pool.clone())),
        sender: Arc::new(TelegramSender::new(telegram)),
        tokens: Arc::new(PgCallbackTokens::new(parts.pool.clone())),
        dialogues: Arc::new(PgDialogues::new(parts.pool.clone(), move |id| {
            names.user_id(id)
        }))
        .erase(),
        clock: Arc::new(System),
    }))
}

fn bot_config(config: &Config) -> Result<BotConfig, RoleError> {
    // The gateway serves terms of its own below its public address, for who has none elsewhere.
    let own = |base: &str| format!("{}/terms", base.trim_end_matches('/'));
    let terms = config
        .terms_url
        .clone()
        .or_else(|| config.http.public_url.as_deref().map(own));
    let terms =
        terms.unwrap_or_else(|| own(&format!("http://{}:{}", config.http.bind, config.http.port)));
    let unusable = |setting: &'static str, error: url::ParseError| RoleError::Unusable {
        setting,
        why: error.to_string(),
    };
    let terms = terms
        .parse()
        .map_err(|error| unusable("KVIT_TERMS_URL", error))?;
    let mut bot = BotConfig::new(config.terms_version.clone(), terms);
    if !config.telegram.access_ids.is_empty() {
        bot.access = Access::Private(config.telegram.access_ids.iter().copied().collect());
    }
    bot.admin_ids = config.telegram.admin_ids.iter().copied().collect();
    bot.zone = config.timezone;
    if let Some(url) = &config.telegram.webhook_url {
        let secret = config
            .telegram
            .webhook_secret
            .as_ref()
            .ok_or(RoleError::Missing {
                role: "bot",
                setting: "TELEGRAM_WEBHOOK_SECRET",
            })?;
        let url = url
            .parse()
            .map_err(|error| unusable("TELEGRAM_WEBHOOK_URL", error))?;
        bot.mode = Mode::Webhook {
            url,
            secret: secret.expose().to_owned(),
        };
    }
    Ok(bot)
}

/// Serves HTTP.
pub fn gateway(
    tasks: &mut Tasks,
    parts: &Arc<Parts>,
    config: &Config,
    telemetry: &Telemetry,
    listener: TcpListener,
    shutdown: &ShutdownToken,
) -> Result<(), RoleError> {
    let metrics = telemetry.metrics().clone();
    // Where `/metrics` is served, so that it shows them whatever else runs in this process.
    let (figures, token) = (Arc::clone(parts), shutdown.clone());
    tasks.spawn(async move {
        gauges::run(figures, token).await;
        Ok(())
    });
    let mut extra = Vec::new();
    if let (Some(_), Some(secret)) = (
        &config.telegram.webhook_url,
        &config.telegram.webhook_secret,
    ) {
        let inbox = Arc::new(PgUpdateInbox::new(
            parts.pool.clone(),
            Arc::clone(&parts.vault),
        ));
        extra.push(webhook_router(TELEGRAM_PATH, secret.expose(), inbox));
    }
    let secret = |secret: &Option<crate::config::Secret>| {
        secret.as_ref().map(|secret| secret.expose().to_owned())
    };
    let money = Money::build(parts, config)?;
    let (balances, token) = (money.balances, shutdown.clone());
    tasks.spawn(async move {
        gauges::payout_balance::run(balances, Arc::new(System), token).await;
        Ok(())
    });
    let router = kvit_gateway::router(GatewayParts {
        app: parts.app.clone(),
        pool: parts.pool.clone(),
        keys: Arc::new(PgApiKeys::new(parts.pool.clone())),
        inbox: Arc::new(PgNotificationInbox::new(
            parts.pool.clone(),
            Arc::clone(&parts.vault),
        )),
        dead_letters: Arc::new(super::dead::Letters::new(DeadLetters::new(
            parts.bus.clone(),
        ))),
        checks: checks::all(parts),
        metrics_render: Arc::new(move || metrics.render()),
        clock: Arc::new(System),
        settings: kvit_gateway::Settings {
            bootstrap_key: secret(&config.http.bootstrap_api_key),
            portmone_webhook_token: secret(&config.portmone.webhook_token),
            metrics_need_key: config.http.metrics_need_key,
            yookassa_sources: yookassa_sources(config),
            trusted_proxies: config.money.trusted_proxies.clone(),
            ..kvit_gateway::Settings::default()
        },
        helpers: Helpers {
            payment_asker: Some(Arc::new(Asker(money.payments, Arc::clone(parts)))),
            reconciling: money.reconciling,
            portmone_answer: Some(Arc::new(portmone_answer)),
        },
        extra,
    });
    // The socket is open by now: Telegram may come at once. Whoever serves the route says where it is.
    if config.telegram.webhook_url.is_some() && config.telegram.bot_token.is_some() {
        let bot = the_bot(parts, config)?;
        tokio::spawn(async move {
            if let Err(error) = bot.register_webhook().await {
                tracing::error!(%error, "the webhook could not be registered; updates will not arrive");
            }
        });
    }
    let token = shutdown.clone();
    tasks.spawn(async move {
        kvit_gateway::serve(listener, router, async move { token.cancelled().await })
            .await
            .map_err(|_| RoleError::Ended("gateway"))
    });
    Ok(())
}

/// From where YooKassa's notifications are taken.
fn yookassa_sources(config: &Config) -> SourceList {
    let settings = &config.money.yookassa;
    if settings.shop_id.is_none() && settings.gateway_id.is_none() {
        SourceList::Closed
    } else if settings.official_sources_only {
        SourceList::Only(Arc::new(is_yookassa_address))
    } else {
        SourceList::Anyone
    }
}

/// What Portmone wants to read after a notification.
fn portmone_answer(content_type: &str, body: &[u8], record: &str) -> Option<WebhookAnswer> {
    let notification = parse_notification(content_type, body).ok()?;
    let answer = acknowledgement(&notification, record);
    Some(WebhookAnswer {
        content_type: answer.content_type,
        body: answer.body,
    })
}
