//! Rules between settings: what must be given for a purpose, what belongs together, and what `prod` refuses.

use url::{Host, Url};

use super::fault::Fault;
use super::settings::{self as s, Need, SETTINGS, Setting};
use super::values::{Values, decimal};
use super::{AppEnv, Config, Purpose, Source};

/// Words that stand in examples, never in production.
const PLACEHOLDERS: [&str; 10] = [
    "changeme",
    "change-me",
    "secret",
    "password",
    "example",
    "test",
    "admin",
    "minioadmin",
    "postgres",
    "kvit",
];
const SHORTEST_SECRET: usize = 16;
const SHORTEST_API_KEY: usize = 32;

/// All faults that no single value shows.
pub(super) fn check(config: &Config, values: &Values, purpose: Purpose) -> Vec<Fault> {
    let mut faults = Vec::new();
    required(config, values, purpose, &mut faults);
    related(config, values, &mut faults);
    if config.app_env == AppEnv::Prod {
        production(config, values, &mut faults);
    }
    faults
}

fn required(config: &Config, values: &Values, purpose: Purpose, faults: &mut Vec<Fault>) {
    let prod = config.app_env == AppEnv::Prod;
    for setting in SETTINGS {
        let must = match (setting.need, purpose) {
            (Need::Optional, _) | (_, Purpose::Show) => false,
            (Need::Services | Need::Sealing, Purpose::Role) => true,
            (Need::Services | Need::Sealing, Purpose::Embedded) => prod,
        };
        // What the state folder made by itself is not "given" in prod.
        let given = values.is_set(setting) && !(prod && values.source(setting) == Source::State);
        if must && !given {
            let why = if purpose == Purpose::Role {
                "must be given (or start this role beside a running `kvit up`, in the same folder)"
            } else {
                "must be given in prod, where nothing is embedded or made"
            };
            faults.push(Fault::of(setting, why));
        }
    }
}

fn related(config: &Config, values: &Values, faults: &mut Vec<Fault>) {
    let mut together = |have: &Setting, need: &Setting| {
        if values.is_set(have) && !values.is_set(need) {
            faults.push(Fault::of(need, format!("must be given with {}", have.name)));
        }
    };
    together(&s::DATABASE_OWNER_URL, &s::DATABASE_URL);
    together(&s::TELEGRAM_WEBHOOK_URL, &s::TELEGRAM_WEBHOOK_SECRET);
    together(&s::PORTMONE_LOGIN, &s::PORTMONE_PASSWORD);
    together(&s::PORTMONE_PASSWORD, &s::PORTMONE_LOGIN);
    together(&s::YOOKASSA_SHOP_ID, &s::YOOKASSA_SECRET_KEY);
    together(
        &s::YOOKASSA_PAYOUT_GATEWAY_ID,
        &s::YOOKASSA_PAYOUT_SECRET_KEY,
    );
    together(&s::PORTMONE_GATEWAY_PAYEE_ID, &s::PORTMONE_GATEWAY_LOGIN);
    together(&s::PORTMONE_GATEWAY_PAYEE_ID, &s::PORTMONE_GATEWAY_PASSWORD);
    together(&s::PORTMONE_GATEWAY_PAYEE_ID, &s::PORTMONE_GATEWAY_KEY);
    together(&s::PORTMONE_CERT_PATH, &s::PORTMONE_KEY_PATH);
    together(&s::PORTMONE_KEY_PATH, &s::PORTMONE_CERT_PATH);

    for key in [&s::STORAGE_ACCESS_KEY, &s::STORAGE_SECRET_KEY] {
        // The state folder's keys open only its own store, never a given one.
        let ours = values.source(key) == Source::State
            && values.source(&s::STORAGE_ENDPOINT) != Source::State;
        if values.is_set(&s::STORAGE_ENDPOINT) && (ours || !values.is_set(key)) {
            faults.push(Fault::of(key, "must be given with STORAGE_ENDPOINT"));
        }
    }

    portmone(config, values, faults);
    money(config, values, faults);
    if config.ocr.manual_review > config.ocr.auto_accept {
        faults.push(Fault::of(
            &s::OCR_MANUAL_REVIEW_THRESHOLD,
            format!(
                "is {}, above OCR_AUTO_ACCEPT_THRESHOLD, which is {}",
                decimal(config.ocr.manual_review),
                decimal(config.ocr.auto_accept)
            ),
        ));
    }
    if let Some(secret) = &config.telegram.webhook_secret {
        let text = secret.expose();
        let letters = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !letters || !(SHORTEST_SECRET..=256).contains(&text.len()) {
            faults.push(Fault::of(
                &s::TELEGRAM_WEBHOOK_SECRET,
                "must be 16 to 256 letters, digits, `_` and `-`",
            ));
        }
    }
    long_enough(values, &s::PORTMONE_WEBHOOK_TOKEN, SHORTEST_SECRET, faults);
    long_enough(values, &s::KVIT_BOOTSTRAP_API_KEY, SHORTEST_API_KEY, faults);
}

fn portmone(config: &Config, values: &Values, faults: &mut Vec<Fault>) {
    let portmone = &config.portmone;
    if portmone.login.is_some() && portmone.payee_id.is_none() {
        let without: Vec<&str> = [
            (&s::PORTMONE_PAYEE_ID_KYIVSTAR, &portmone.payee_id_kyivstar),
            (&s::PORTMONE_PAYEE_ID_VODAFONE, &portmone.payee_id_vodafone),
            (&s::PORTMONE_PAYEE_ID_LIFECELL, &portmone.payee_id_lifecell),
        ]
        .into_iter()
        .filter(|(_, payee)| payee.is_none())
        .map(|(setting, _)| setting.name)
        .collect();
        if !without.is_empty() {
            faults.push(Fault::of(
                &s::PORTMONE_PAYEE_ID,
                format!(
                    "must be given with PORTMONE_LOGIN, or else {}",
                    without.join(", ")
                ),
            ));
        }
    }
    // In prod `http` is refused for every host, below.
    for setting in [&s::PORTMONE_URL, &s::PORTMONE_GATEWAY_URL, &s::YOOKASSA_URL] {
        if config.app_env != AppEnv::Prod
            && values
                .text(setting)
                .is_some_and(|url| is_http(&url) && !is_loopback(&url))
        {
            faults.push(Fault::of(
                setting,
                "must be https://; http:// is only for this machine",
            ));
        }
    }
    for setting in [&s::PORTMONE_CERT_PATH, &s::PORTMONE_KEY_PATH] {
        let Some(path) = values.path(setting) else {
            continue;
        };
        let opened = std::fs::File::open(&path).and_then(|file| file.metadata());
        let why = match opened {
            Ok(meta) if meta.is_file() => continue,
            Ok(_folder) => "which is no file".to_owned(),
            Err(error) => format!("which cannot be read ({})", error.kind()),
        };
        faults.push(Fault::of(
            setting,
            format!("names {}, {why}", path.display()),
        ));
    }
}

/// Limits and addresses that cannot be read, and a test shop where real money is expected or the reverse.
fn money(config: &Config, values: &Values, faults: &mut Vec<Fault>) {
    if let Err(why) = super::money::limits(&values.text_or_empty(&s::KVIT_PAYOUT_DAILY_LIMITS)) {
        faults.push(Fault::of(&s::KVIT_PAYOUT_DAILY_LIMITS, why));
    }
    if let Err(why) = super::money::networks(&values.text_or_empty(&s::KVIT_TRUSTED_PROXIES)) {
        faults.push(Fault::of(&s::KVIT_TRUSTED_PROXIES, why));
    }
    let is_test_shop = values
        .text(&s::YOOKASSA_SECRET_KEY)
        .is_some_and(|key| key.starts_with("test_"));
    if config.app_env == AppEnv::Prod && is_test_shop {
        faults.push(Fault::of(
            &s::YOOKASSA_SECRET_KEY,
            "is a test shop's, whose payments are no money",
        ));
    }
}

fn is_http(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "http")
}

/// Whether the host can only be this machine.
fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// See [`Config::warnings`].
pub(super) fn warnings(config: &Config, migrates: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.app_env != AppEnv::Prod {
        return warnings;
    }
    let open_bus = config.nats_url.as_ref().is_some_and(|urls| {
        urls.expose()
            .split(',')
            .filter_map(|url| Url::parse(url.trim()).ok())
            .all(|url| url.username().is_empty())
    });
    if open_bus {
        warnings.push(
            "NATS_URL has no login: whoever reaches the bus reads and writes events".to_owned(),
        );
    }
    let open_store = |url: &String| is_http(url) && !is_loopback(url);
    if config.storage.endpoint.as_ref().is_some_and(open_store) {
        warnings.push(
            "STORAGE_ENDPOINT is http://: photos cross the network for everybody to read"
                .to_owned(),
        );
    }
    if migrates && config.database.owner_url.is_none() {
        warnings.push(
            "DATABASE_OWNER_URL is not given: DATABASE_URL is used for migrations, so the application may change the schema"
                .to_owned(),
        );
    }
    warnings
}

fn long_enough(values: &Values, setting: &Setting, least: usize, faults: &mut Vec<Fault>) {
    if values
        .text(setting)
        .is_some_and(|text| text.chars().count() < least)
    {
        faults.push(Fault::of(
            setting,
            format!("must have at least {least} characters"),
        ));
    }
}

fn production(config: &Config, values: &Values, faults: &mut Vec<Fault>) {
    for setting in SETTINGS.iter().filter(|setting| setting.secret) {
        let placeholder = values.text(setting).is_some_and(|text| {
            PLACEHOLDERS
                .iter()
                .any(|word| text.eq_ignore_ascii_case(word))
        });
        if placeholder {
            faults.push(Fault::of(
                setting,
                "is a word from an example, which prod refuses",
            ));
        }
    }
    if config
        .encryption_secret
        .as_ref()
        .is_some_and(super::EncryptionSecret::is_placeholder)
    {
        faults.push(Fault::of(
            &s::ENCRYPTION_SECRET,
            "is one byte over and over, which prod refuses",
        ));
    }
    for setting in [
        &s::TELEGRAM_API_URL,
        &s::TELEGRAM_WEBHOOK_URL,
        &s::PORTMONE_URL,
        &s::PORTMONE_GATEWAY_URL,
        &s::YOOKASSA_URL,
        &s::YOOKASSA_RETURN_URL,
        &s::API_GATEWAY_URL,
        &s::KVIT_TERMS_URL,
    ] {
        if values.text(setting).is_some_and(|url| is_http(&url)) {
            faults.push(Fault::of(setting, "must be https:// in prod"));
        }
    }
    let database_password = |setting: &Setting| {
        values
            .text(setting)
            .and_then(|url| Url::parse(&url).ok())
            .and_then(|url| url.password().map(str::to_owned))
            .is_some_and(|password| PLACEHOLDERS.contains(&password.as_str()))
    };
    for setting in [&s::DATABASE_URL, &s::DATABASE_OWNER_URL] {
        if database_password(setting) {
            faults.push(Fault::of(
                setting,
                "has a password from an example, which prod refuses",
            ));
        }
    }
}
