//! The simulated services of `kvit up --sandbox`.

use std::path::Path;

use kvit_adapters::sandbox::portmone::PortmoneSettings;
use kvit_adapters::sandbox::telegram::TelegramSettings;
use kvit_adapters::sandbox::{RunningSandbox, Sandbox, SandboxConfig, SandboxError};
use url::Url;

use crate::config::{Config, Secret};

/// Where the simulated services are and what they accept.
#[derive(Debug, Clone)]
pub struct SandboxInfo {
    /// Root of the server; the control side is below `/_sandbox/`.
    pub base_url: Url,
    /// Root of the simulated Bot API.
    pub telegram_url: Url,
    /// The simulated PortmoneDirect.
    pub portmone_url: Url,
}

/// Starts the services. Their memory is in the state folder: the real ones would not forget either when we die.
pub async fn start(state: &Path) -> Result<(RunningSandbox, SandboxInfo), SandboxError> {
    let config = SandboxConfig {
        dir: Some(state.join("sandbox")),
        ..SandboxConfig::default()
    };
    let running = Sandbox::start(config).await?;
    let info = SandboxInfo {
        base_url: running.base_url(),
        telegram_url: running.telegram_url(),
        portmone_url: running.portmone_url(),
    };
    Ok((running, info))
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
        config
    }
}
