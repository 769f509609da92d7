//! YooKassa and Portmone's payment gateway out of the configuration.

use std::sync::Arc;

use kvit_adapters::portmone::gateway::{
    GatewayConfig, PaymentRules, PortmoneGateway, PortmonePayments,
};
use kvit_adapters::traffic::Recorder;
use kvit_adapters::yookassa::{
    YookassaAccount, YookassaClient, YookassaConfig, YookassaPaymentRules, YookassaPayments,
};
use kvit_commands::ports::payment::PaymentProvider;
use kvit_commands::ports::time::System;

use super::RoleError;
use crate::config::{AppEnv, Config};

fn unusable(setting: &'static str, why: impl std::fmt::Display) -> RoleError {
    RoleError::Unusable {
        setting,
        why: why.to_string(),
    }
}

/// The client with the accounts that are configured, or `None` when there is none.
pub fn client(config: &Config, recorder: &Recorder) -> Result<Option<YookassaClient>, RoleError> {
    let settings = &config.money.yookassa;
    // Where real money moves is one question for the whole platform.
    let account = |id: &str, secret: &str| {
        if config.app_env == AppEnv::Prod {
            YookassaAccount::new(id, secret)
        } else {
            YookassaAccount::test(id, secret)
        }
    };
    let endpoint = settings
        .url
        .trim_end_matches('/')
        .parse()
        .map_err(|error| unusable("YOOKASSA_URL", error))?;
    let mut client = YookassaConfig::new(endpoint);
    client.http.allow_plain_http = settings.url.starts_with("http://");
    client.http.recorder = recorder.clone();
    if let (Some(id), Some(key)) = (&settings.shop_id, &settings.secret_key) {
        client.shop = Some(account(id, key.expose()));
    }
    if let (Some(id), Some(key)) = (&settings.gateway_id, &settings.gateway_key) {
        client.gateway = Some(account(id, key.expose()));
    }
    if client.shop.is_none() && client.gateway.is_none() {
        return Ok(None);
    }
    YookassaClient::try_new(client)
        .map(Some)
        .map_err(|error| unusable("YOOKASSA_*", error))
}

/// Payments through the shop of this client.
pub fn payments(client: &YookassaClient) -> Result<Arc<dyn PaymentProvider>, RoleError> {
    let payments = YookassaPayments::try_new(client.clone(), YookassaPaymentRules::default())
        .map_err(|error| unusable("YOOKASSA_*", error))?;
    Ok(Arc::new(payments))
}

/// Card payments through Portmone, or `None` when they are not configured.
pub fn portmone_payments(
    config: &Config,
    recorder: &Recorder,
) -> Result<Option<Arc<PortmonePayments>>, RoleError> {
    let settings = &config.money.portmone_gateway;
    let (Some(payee), Some(login), Some(password), Some(key)) = (
        &settings.payee_id,
        &settings.login,
        &settings.password,
        &settings.key,
    ) else {
        return Ok(None);
    };
    let endpoint = settings
        .url
        .parse()
        .map_err(|error| unusable("PORTMONE_GATEWAY_URL", error))?;
    let mut gateway = GatewayConfig::new(
        endpoint,
        payee,
        login.expose(),
        password.expose(),
        key.expose(),
    );
    gateway.lang.clone_from(&config.portmone.lang);
    gateway.http.allow_plain_http = settings.url.starts_with("http://");
    gateway.http.recorder = recorder.clone();
    let gateway =
        PortmoneGateway::try_new(gateway).map_err(|error| unusable("PORTMONE_GATEWAY_*", error))?;
    let rules = PaymentRules {
        test: config.app_env != AppEnv::Prod,
        ..PaymentRules::default()
    };
    Ok(Some(Arc::new(PortmonePayments::new(
        gateway,
        rules,
        Arc::new(System),
    ))))
}
