//! Portmone out of the configuration.

use std::sync::Arc;
use std::time::Duration;

use kvit_adapters::http::{ClientCertificate, HttpConfig, Timeouts};
use kvit_adapters::portmone::{
    Payees, PortmoneClient, PortmoneConfig, PortmonePayouts, RefusalCodes,
};
use kvit_adapters::traffic::Recorder;
use kvit_commands::ports::payout::PayoutProvider;

use super::RoleError;
use crate::config::Config;

fn unusable(setting: &'static str, why: impl std::fmt::Display) -> RoleError {
    RoleError::Unusable {
        setting,
        why: why.to_string(),
    }
}

/// The payout provider, or `None` when it is not configured: then payouts wait, held, until it is.
pub fn portmone(
    config: &Config,
    recorder: &Recorder,
) -> Result<Option<Arc<dyn PayoutProvider>>, RoleError> {
    let settings = &config.portmone;
    let (Some(login), Some(password)) = (&settings.login, &settings.password) else {
        return Ok(None);
    };
    let endpoint_is_local = settings.url.starts_with("http://");
    let endpoint = settings
        .url
        .parse()
        .map_err(|error| unusable("PORTMONE_URL", error))?;
    let mut client = PortmoneConfig::new(endpoint, login.expose(), password.expose());
    client.version = settings
        .version
        .parse()
        .map_err(|_| unusable("PORTMONE_VERSION", "1 or 2 is expected"))?;
    client.lang.clone_from(&settings.lang);
    client.status_method.clone_from(&settings.status_method);
    let mut pem = Vec::new();
    for (setting, path) in [
        ("PORTMONE_CERT_PATH", &settings.cert_path),
        ("PORTMONE_KEY_PATH", &settings.key_path),
    ] {
        if let Some(path) = path {
            pem.extend(std::fs::read(path).map_err(|error| unusable(setting, error))?);
            pem.push(b'\n');
        }
    }
    let certificate = (!pem.is_empty()).then(|| ClientCertificate::from_pem(pem));
    // A provider on this machine is a simulated one, and answers at once or never.
    let timeouts = if endpoint_is_local {
        let seconds = Duration::from_secs;
        Timeouts {
            connect: seconds(2),
            read: seconds(4),
            total: seconds(5),
        }
    } else {
        Timeouts::default()
    };
    client.http = HttpConfig {
        certificate,
        timeouts,
        recorder: recorder.clone(),
        ..client.http
    };
    let client = PortmoneClient::try_new(client).map_err(|error| unusable("PORTMONE_*", error))?;
    let payee = |own: &Option<String>| -> Result<String, RoleError> {
        own.clone()
            .or_else(|| settings.payee_id.clone())
            .ok_or(RoleError::Missing {
                role: "worker",
                setting: "PORTMONE_PAYEE_ID (or one for each operator)",
            })
    };
    let payees = Payees {
        kyivstar: payee(&settings.payee_id_kyivstar)?,
        vodafone: payee(&settings.payee_id_vodafone)?,
        lifecell: payee(&settings.payee_id_lifecell)?,
    };
    let codes = RefusalCodes {
        destination: settings.destination_codes.clone(),
        temporary: settings.temporary_codes.clone(),
    };
    Ok(Some(Arc::new(PortmonePayouts::new(client, payees, codes))))
}
