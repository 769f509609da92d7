//! The simulated services of `kvit up --sandbox`.

use std::net::SocketAddr;
use std::path::Path;

use kvit_adapters::sandbox::portmone::client::PortmoneControl;
use kvit_adapters::sandbox::portmone::notices::{NoticeForm, NoticeTarget};
use kvit_adapters::sandbox::portmone::{GATEWAY, GatewaySettings, PortmoneSettings};
use kvit_adapters::sandbox::telegram::TelegramSettings;
use kvit_adapters::sandbox::yookassa::faults::Outcome;
use kvit_adapters::sandbox::yookassa::{Side, YookassaSettings};
use kvit_adapters::sandbox::{RunningSandbox, Sandbox, SandboxConfig, SandboxError};
use url::Url;

use crate::config::{Config, PortmoneGatewayConfig, Secret, YookassaConfig};

/// Where the simulated services are and what they accept.
#[derive(Debug, Clone)]
pub struct SandboxInfo {
    /// Root of the server; the control side is below `/_sandbox/`.
    pub base_url: Url,
    /// Root of the simulated Bot API.
    pub telegram_url: Url,
    /// The simulated PortmoneDirect.
    pub portmone_url: Url,
    /// Portmone's simulated payment gateway.
    pub portmone_gateway_url: Url,
    /// The simulated YooKassa.
    pub yookassa_url: Url,
}

/// Starts the services. Their memory is in the state folder: the real ones would not forget either when we die.
pub async fn start(state: &Path) -> Result<(RunningSandbox, SandboxInfo), SandboxError> {
    let yookassa = YookassaSettings::default();
    let config = SandboxConfig {
        dir: Some(state.join("sandbox")),
        yookassa: YookassaSettings {
            // Whoever tries the sandbox does not want to wait for the published ten seconds.
            webhook_offsets: std::iter::once(1)
                .chain(yookassa.webhook_offsets.iter().skip(1).copied())
                .collect(),
            payout_outcome: Outcome::Succeeded { after_seconds: 2 },
            ..yookassa
        },
        ..SandboxConfig::default()
    };
    let running = Sandbox::start(config).await?;
    let info = SandboxInfo {
        base_url: running.base_url(),
        telegram_url: running.telegram_url(),
        portmone_url: running.portmone_url(),
        portmone_gateway_url: gateway_url(&running),
        yookassa_url: running.yookassa_url(),
    };
    Ok((running, info))
}

fn gateway_url(running: &RunningSandbox) -> Url {
    let mut url = running.base_url();
    url.set_path(GATEWAY);
    url
}

/// Tells the simulated providers where their notifications go, as one would in their cabinets.
pub async fn point_notifications(
    running: &RunningSandbox,
    gateway: SocketAddr,
    portmone_token: Option<&Secret>,
) {
    if let Err(error) = point(running, gateway, portmone_token).await {
        tracing::warn!(%error, "the simulated providers do not know where to send notifications");
    }
}

async fn point(
    running: &RunningSandbox,
    gateway: SocketAddr,
    portmone_token: Option<&Secret>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let at = |path: &str| Url::parse(&format!("http://{gateway}/webhooks/{path}"));
    let yookassa = at("yookassa")?;
    for side in [Side::Shop, Side::Gateway] {
        running
            .yookassa()
            .set_webhook(side, Some(&yookassa))
            .await?;
    }
    if let Some(token) = portmone_token {
        let target = NoticeTarget {
            url: at(&format!("portmone/{}", token.expose()))?,
            form: NoticeForm::default(),
            automatic: true,
        };
        let control = PortmoneControl::new(running.base_url())?;
        control.notify(Some(&target)).await?;
    }
    Ok(())
}

impl SandboxInfo {
    /// The configuration with the simulated services in the place of the real ones.
    pub fn apply_to(&self, config: &Config) -> Config {
        let (telegram, portmone) = (TelegramSettings::default(), PortmoneSettings::default());
        let mut config = config.clone();
        config.telegram.bot_token = Some(Secret::new(telegram.token));
        config.telegram.api_url = self.telegram_url.to_string();
        config.telegram.webhook_url = None;
        config.portmone.url = self.portmone_url.to_string();
        config.portmone.login = Some(Secret::new(portmone.login));
        config.portmone.password = Some(Secret::new(portmone.password));
        config.portmone.status_method = Some(portmone.status_method);
        config.portmone.repay_created_bill = true;
        let codes = |list: [&str; 2]| list.map(str::to_owned).to_vec();
        config.portmone.destination_codes = codes(["s202", "s203"]);
        config.portmone.temporary_codes = codes(["s401", "s901"]);
        let mut payees = portmone.payees.into_iter().map(|payee| payee.id);
        config.portmone.payee_id_kyivstar = payees.next();
        config.portmone.payee_id_vodafone = payees.next();
        config.portmone.payee_id_lifecell = payees.next();
        let cards = GatewaySettings::default();
        config.money.portmone_gateway = PortmoneGatewayConfig {
            url: self.portmone_gateway_url.to_string(),
            payee_id: Some(cards.payee_id),
            login: Some(Secret::new(cards.login)),
            password: Some(Secret::new(cards.password)),
            key: Some(Secret::new(cards.key)),
        };
        let yookassa = YookassaSettings::default();
        config.money.yookassa = YookassaConfig {
            url: self.yookassa_url.to_string(),
            shop_id: Some(yookassa.shop.id),
            secret_key: Some(Secret::new(yookassa.shop.secret)),
            gateway_id: Some(yookassa.gateway.id),
            gateway_key: Some(Secret::new(yookassa.gateway.secret)),
            return_url: config.money.yookassa.return_url.clone(),
            official_sources_only: false,
        };
        config
    }
}
