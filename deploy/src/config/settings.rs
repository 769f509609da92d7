//! The one table of settings. Parsing, `config show` and `config reference` all read it, so they cannot disagree.

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// What Telegram gives a bot: digits, a colon, letters.
    BotToken,
    /// An address with one of these schemes. A comma-separated list is allowed where `many` is set.
    Url {
        /// Allowed schemes.
        schemes: &'static [&'static str],
        /// Whether several addresses may be given.
        many: bool,
    },
    /// A whole number in this range.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A decimal fraction with at most three places, kept in thousandths. The bounds are in thousandths too.
    Thousandths {
        /// Smallest.
        min: u16,
        /// Largest.
        max: u16,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An IP address.
    IpAddress,
    /// Telegram ids, separated by commas.
    Ids,
    /// Words of letters, digits and underscores, separated by `+` or commas.
    Languages,
    /// A file or folder.
    Path,
    /// A name of the IANA time zone database.
    TimeZone,
    /// 32 bytes as 64 hexadecimal digits or as Base64.
    Key,
    /// A directive list as `tracing` filters use: `info`, or `info,kvit=debug`.
    LogFilter,
}

/// Where a setting must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nowhere.
    Optional,
    /// Wherever the services are not embedded: in all roles but `up` and `demo`, and in `prod`.
    Services,
    /// Where people's data is sealed: as `Services`, but `up` makes one by itself outside of `prod`.
    Sealing,
}

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What it must look like.
    pub kind: Kind,
    /// What holds when it is not given.
    pub default: Option<&'static str>,
    /// Whether its value is masked and may be given as a file (`NAME_FILE`).
    pub secret: bool,
    /// Where it must be given.
    pub need: Need,
    /// The heading it stands under in the reference.
    pub group: &'static str,
    /// What it is for, in one or two sentences.
    pub doc: &'static str,
}

impl Setting {
    const fn new(
        group: &'static str,
        name: &'static str,
        kind: Kind,
        default: Option<&'static str>,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default,
            secret: false,
            need: Need::Optional,
            group,
            doc,
        }
    }

    const fn secret(
        group: &'static str,
        name: &'static str,
        kind: Kind,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default: None,
            secret: true,
            need: Need::Optional,
            group,
            doc,
        }
    }

    const fn needed(mut self, need: Need) -> Self {
        self.need = need;
        self
    }

    /// Whether the reader of photos has a use for it. The reader is native code that meets photos from strangers, so it
    /// gets no login that it does not need: no provider's, no bot's, not the database owner's.
    pub fn serves_reader(&self) -> bool {
        let foreign = [TELEGRAM, PORTMONE, YOOKASSA, MONEY, RESERVED].contains(&self.group);
        !foreign && (!self.secret || self.need != Need::Optional)
    }
}

/// The settings that a role of its own must do without, by name and, for secrets, by the name of their file.
pub fn withheld_from(role: &str) -> Vec<String> {
    if role != READER {
        return Vec::new();
    }
    SETTINGS
        .iter()
        .filter(|setting| !setting.serves_reader())
        .flat_map(|setting| [setting.name.to_owned(), format!("{}_FILE", setting.name)])
        .collect()
}

/// Declares each setting as a constant and collects them in [`SETTINGS`], in this order.
macro_rules! settings {
    ($($name:ident = $setting:expr;)*) => {
        $(
            #[doc = concat!("The setting `", stringify!($name), "`.")]
            pub static $name: Setting = $setting;
        )*
        /// All settings, in the order of the reference.
        pub static SETTINGS: &[&Setting] = &[$(&$name),*];
    };
}

const HTTP: Kind = Kind::Url {
    schemes: &["http", "https"],
    many: false,
};
const YES_NO: Kind = Kind::Choice(&["no", "yes"]);
const POSTGRES: Kind = Kind::Url {
    schemes: &["postgres", "postgresql"],
    many: false,
};
/// The role that reads photos.
const READER: &str = "ocr";
const PLATFORM: &str = "Platform";
const SERVICES: &str = "Services";
const TELEGRAM: &str = "Telegram";
const PORTMONE: &str = "Portmone";
const YOOKASSA: &str = "YooKassa";
const MONEY: &str = "Money";
const READING: &str = "Reading receipts";
const SEEING: &str = "Seeing what happens";
const RESERVED: &str = "Reserved";

settings! {
    APP_ENV = Setting::new(PLATFORM, "APP_ENV", Kind::Choice(&["dev", "test", "prod"]), Some("dev"),
        "In `prod` nothing is embedded and insecure values are refused; `.env` is read only outside of it.");
    KVIT_DIR = Setting::new(PLATFORM, "KVIT_DIR", Kind::Path, Some(".kvit"),
        "The state folder of `kvit up`: embedded services, generated secrets. `--dir` goes before it.");
    KVIT_BIND = Setting::new(PLATFORM, "KVIT_BIND", Kind::IpAddress, Some("127.0.0.1"),
        "The address that the gateway listens on. `0.0.0.0` or `::` opens it to the network.");
    PORT = Setting::new(PLATFORM, "PORT", Kind::Integer { min: 0, max: 65_535 }, Some("8080"),
        "The port that the gateway listens on; 0 takes a free one.");
    API_GATEWAY_URL = Setting::new(PLATFORM, "API_GATEWAY_URL", HTTP, None,
        "The gateway's public address, for links and callbacks.");
    KVIT_TIMEZONE = Setting::new(PLATFORM, "KVIT_TIMEZONE", Kind::TimeZone, Some("Europe/Kyiv"),
        "The zone in which days begin and reports are made.");
    KVIT_REPORT_HOUR = Setting::new(PLATFORM, "KVIT_REPORT_HOUR", Kind::Integer { min: 0, max: 23 }, Some("10"),
        "The hour of the day at which the daily report is to be sent. Checked, not used yet.");
    KVIT_TERMS_URL = Setting::new(PLATFORM, "KVIT_TERMS_URL", HTTP, None,
        "Where people can read the terms that they accept.");
    KVIT_TERMS_VERSION = Setting::new(PLATFORM, "KVIT_TERMS_VERSION", Kind::Text, Some("1"),
        "The version of the terms, kept with each acceptance.");
    KVIT_METRICS_KEY = Setting::new(PLATFORM, "KVIT_METRICS_KEY", YES_NO, None,
        "Whether `/metrics` asks for an API key. Not given: `yes` in `prod`, `no` elsewhere.");
    KVIT_WAIT_SECONDS = Setting::new(PLATFORM, "KVIT_WAIT_SECONDS", Kind::Integer { min: 1, max: 3_600 }, Some("60"),
        "How long to wait at the start for a service that is away.");
    ENCRYPTION_SECRET = Setting::secret(PLATFORM, "ENCRYPTION_SECRET", Kind::Key,
        "The master key that wraps each person's data key. Whoever loses it loses all personal data. `kvit up` makes one and keeps it in the state folder.").needed(Need::Sealing);
    KVIT_BOOTSTRAP_API_KEY = Setting::secret(PLATFORM, "KVIT_BOOTSTRAP_API_KEY", Kind::Text,
        "The first API key, with all scopes, to make others with. At least 32 characters. `kvit up` makes one.");

    DATABASE_URL = Setting::secret(SERVICES, "DATABASE_URL", POSTGRES,
        "Postgres 14 or newer, as the restricted role of the application. Not given: `kvit up` starts its own.").needed(Need::Services);
    DATABASE_OWNER_URL = Setting::secret(SERVICES, "DATABASE_OWNER_URL", POSTGRES,
        "The same database as the owner of the schema, for migrations. Not given: `DATABASE_URL` is used.");
    KVIT_DATABASE_POOL = Setting::new(SERVICES, "KVIT_DATABASE_POOL", Kind::Integer { min: 2, max: 500 }, Some("16"),
        "Connections that one process may hold.");
    NATS_URL = Setting::secret(SERVICES, "NATS_URL", Kind::Url { schemes: &["nats", "tls"], many: true },
        "NATS 2.10 or newer with JetStream; several servers of a cluster with commas. With a login: `nats://user:password@host`, or `nats://token@host`. Not given: `kvit up` starts its own.").needed(Need::Services);
    KVIT_NATS_REPLICAS = Setting::new(SERVICES, "KVIT_NATS_REPLICAS", Kind::Choice(&["1", "3", "5"]), Some("1"),
        "On how many servers of a cluster each stream is kept. More than 1 needs as many servers.");
    STORAGE_ENDPOINT = Setting::new(SERVICES, "STORAGE_ENDPOINT", HTTP, None,
        "An S3-compatible store. Not given: `kvit up` serves its own.").needed(Need::Services);
    STORAGE_BUCKET = Setting::new(SERVICES, "STORAGE_BUCKET", Kind::Text, Some("kvit"),
        "The bucket for photos and documents.");
    STORAGE_REGION = Setting::new(SERVICES, "STORAGE_REGION", Kind::Text, Some("us-east-1"),
        "The region, which is part of each signature; `auto` for some stores.");
    STORAGE_ACCESS_KEY = Setting::secret(SERVICES, "STORAGE_ACCESS_KEY", Kind::Text,
        "The store's access key id.").needed(Need::Services);
    STORAGE_SECRET_KEY = Setting::secret(SERVICES, "STORAGE_SECRET_KEY", Kind::Text,
        "The store's secret key.").needed(Need::Services);

    TELEGRAM_BOT_TOKEN = Setting::secret(TELEGRAM, "TELEGRAM_BOT_TOKEN", Kind::BotToken,
        "The bot's token. Not given: the bot does not run, except against the sandbox.");
    TELEGRAM_ADMIN_IDS = Setting::new(TELEGRAM, "TELEGRAM_ADMIN_IDS", Kind::Ids, None,
        "Telegram ids of the admins, separated by commas.");
    ADMIN_TELEGRAM_ID = Setting::new(TELEGRAM, "ADMIN_TELEGRAM_ID", Kind::Ids, None,
        "More admins; kept for deployments that know this name.");
    KVIT_BOT_ACCESS_IDS = Setting::new(TELEGRAM, "KVIT_BOT_ACCESS_IDS", Kind::Ids, None,
        "Telegram ids, separated by commas, of those who may use the bot. Not given: everybody may.");
    TELEGRAM_API_URL = Setting::new(TELEGRAM, "TELEGRAM_API_URL", HTTP, Some("https://api.telegram.org"),
        "The Bot API's address; another one for a local Bot API server or a simulator.");
    TELEGRAM_WEBHOOK_URL = Setting::new(TELEGRAM, "TELEGRAM_WEBHOOK_URL", HTTP, None,
        "The public address for updates. Not given: the bot polls.");
    TELEGRAM_WEBHOOK_SECRET = Setting::secret(TELEGRAM, "TELEGRAM_WEBHOOK_SECRET", Kind::Text,
        "The word that Telegram repeats with each update: 16 to 256 letters, digits, `_` and `-`. Needed with a webhook; `kvit up` makes one.");
    MONITORING_BOT_TOKEN = Setting::secret(TELEGRAM, "MONITORING_BOT_TOKEN", Kind::BotToken,
        "A second bot for alerts. Checked, not used yet.");

    PORTMONE_URL = Setting::new(PORTMONE, "PORTMONE_URL", HTTP, Some("https://direct.portmone.com.ua/api/directcash/"),
        "The provider's address: `https`, or `http` for a simulator on this machine.");
    PORTMONE_LOGIN = Setting::secret(PORTMONE, "PORTMONE_LOGIN", Kind::Text,
        "Login of the company. Not given: nothing is paid out, except against the sandbox.");
    PORTMONE_PASSWORD = Setting::secret(PORTMONE, "PORTMONE_PASSWORD", Kind::Text,
        "Password of the company.");
    PORTMONE_PAYEE_ID = Setting::new(PORTMONE, "PORTMONE_PAYEE_ID", Kind::Text, None,
        "Payee for operators without one of their own. With a login each operator needs a payee.");
    PORTMONE_PAYEE_ID_KYIVSTAR = Setting::new(PORTMONE, "PORTMONE_PAYEE_ID_KYIVSTAR", Kind::Text, None,
        "Payee for Kyivstar numbers.");
    PORTMONE_PAYEE_ID_VODAFONE = Setting::new(PORTMONE, "PORTMONE_PAYEE_ID_VODAFONE", Kind::Text, None,
        "Payee for Vodafone numbers.");
    PORTMONE_PAYEE_ID_LIFECELL = Setting::new(PORTMONE, "PORTMONE_PAYEE_ID_LIFECELL", Kind::Text, None,
        "Payee for lifecell numbers.");
    PORTMONE_VERSION = Setting::new(PORTMONE, "PORTMONE_VERSION", Kind::Choice(&["1", "2"]), Some("2"),
        "Version of the protocol.");
    PORTMONE_LANG = Setting::new(PORTMONE, "PORTMONE_LANG", Kind::Choice(&["uk", "ru", "en"]), Some("uk"),
        "Language of the provider's messages.");
    PORTMONE_STATUS_METHOD = Setting::new(PORTMONE, "PORTMONE_STATUS_METHOD", Kind::Text, None,
        "The method that tells what became of a payment, where the contract has one. Not given: unknown payouts go to a person.");
    PORTMONE_REPAY_CREATED_BILL = Setting::new(PORTMONE, "PORTMONE_REPAY_CREATED_BILL", YES_NO, Some("no"),
        "Whether a bill that the provider still calls unpaid some time after an unclear answer is paid again, under its same id. Only where the contract says that a bill moves money once.");
    PORTMONE_TEMPORARY_CODES = Setting::new(PORTMONE, "PORTMONE_TEMPORARY_CODES", Kind::Text, None,
        "Refusal codes, with commas, after which a later attempt may succeed. Every other refusal is final.");
    PORTMONE_DESTINATION_CODES = Setting::new(PORTMONE, "PORTMONE_DESTINATION_CODES", Kind::Text, None,
        "Refusal codes, with commas, that mean another number is needed.");
    PORTMONE_CERT_PATH = Setting::new(PORTMONE, "PORTMONE_CERT_PATH", Kind::Path, None,
        "Client certificate (PEM) for mutual TLS.");
    PORTMONE_KEY_PATH = Setting::new(PORTMONE, "PORTMONE_KEY_PATH", Kind::Path, None,
        "Key of the client certificate (PEM).");
    PORTMONE_WEBHOOK_TOKEN = Setting::secret(PORTMONE, "PORTMONE_WEBHOOK_TOKEN", Kind::Text,
        "The word in the provider's notifications; at least 16 characters. `kvit up` makes one.");

    PORTMONE_GATEWAY_URL = Setting::new(PORTMONE, "PORTMONE_GATEWAY_URL", HTTP, Some("https://www.portmone.com.ua/gateway/"),
        "The payment gateway, for card payments in hryvnia: `https`, or `http` for a simulator on this machine.");
    PORTMONE_GATEWAY_PAYEE_ID = Setting::new(PORTMONE, "PORTMONE_GATEWAY_PAYEE_ID", Kind::Text, None,
        "Our number as payee at the payment gateway. Not given: nobody pays in through Portmone.");
    PORTMONE_GATEWAY_LOGIN = Setting::secret(PORTMONE, "PORTMONE_GATEWAY_LOGIN", Kind::Text,
        "Login at the payment gateway.");
    PORTMONE_GATEWAY_PASSWORD = Setting::secret(PORTMONE, "PORTMONE_GATEWAY_PASSWORD", Kind::Text,
        "Password at the payment gateway.");
    PORTMONE_GATEWAY_KEY = Setting::secret(PORTMONE, "PORTMONE_GATEWAY_KEY", Kind::Text,
        "The key that signs payment links.");

    YOOKASSA_URL = Setting::new(YOOKASSA, "YOOKASSA_URL", HTTP, Some("https://api.yookassa.ru/v3"),
        "The API's address: `https`, or `http` for a simulator on this machine.");
    YOOKASSA_SHOP_ID = Setting::new(YOOKASSA, "YOOKASSA_SHOP_ID", Kind::Text, None,
        "The shop that takes payments. Not given: nobody pays in through YooKassa.");
    YOOKASSA_SECRET_KEY = Setting::secret(YOOKASSA, "YOOKASSA_SECRET_KEY", Kind::Text,
        "The shop's key. One that begins with `test_` belongs to a test shop, which `prod` refuses.");
    YOOKASSA_RETURN_URL = Setting::new(YOOKASSA, "YOOKASSA_RETURN_URL", HTTP, None,
        "Where a payer's browser comes back to. Not given: the gateway's page `/return` at API_GATEWAY_URL.");
    YOOKASSA_PAYOUT_GATEWAY_ID = Setting::new(YOOKASSA, "YOOKASSA_PAYOUT_GATEWAY_ID", Kind::Text, None,
        "The payout gateway, which has a login of its own. Not given: nothing is paid out through YooKassa.");
    YOOKASSA_PAYOUT_SECRET_KEY = Setting::secret(YOOKASSA, "YOOKASSA_PAYOUT_SECRET_KEY", Kind::Text,
        "The payout gateway's key.");
    YOOKASSA_SOURCES = Setting::new(YOOKASSA, "YOOKASSA_SOURCES", Kind::Choice(&["official", "any"]), Some("official"),
        "From where notifications are taken: the provider's published addresses, or anywhere. Either way none is believed before the provider was asked.");

    KVIT_PAYOUT_DAILY_LIMITS = Setting::new(MONEY, "KVIT_PAYOUT_DAILY_LIMITS", Kind::Text, None,
        "What may be paid out through a provider in a day, as in `portmone:50000.00 UAH, yookassa:100000.00 RUB`. What is above waits, visibly, for the next day.");
    KVIT_TRUSTED_PROXIES = Setting::new(MONEY, "KVIT_TRUSTED_PROXIES", Kind::Text, None,
        "IP addresses or networks, with commas, of our own proxies: only theirs is an `X-Forwarded-For` that tells where a notification came from.");
    KVIT_CHECKPOINT_KEY = Setting::secret(MONEY, "KVIT_CHECKPOINT_KEY", Kind::Key,
        "The seed of the key that signs checkpoints of the history. Not given: none are made on a schedule. `kvit up` makes one.");

    OCR_LANGUAGES = Setting::new(READING, "OCR_LANGUAGES", Kind::Languages, Some("ukr+rus+eng"),
        "Languages of the reader, by tesseract's names.");
    OCR_AUTO_ACCEPT_THRESHOLD = Setting::new(READING, "OCR_AUTO_ACCEPT_THRESHOLD", Kind::Thousandths { min: 0, max: 1_000 }, Some("0.8"),
        "From this confidence on a reading needs no person.");
    OCR_MANUAL_REVIEW_THRESHOLD = Setting::new(READING, "OCR_MANUAL_REVIEW_THRESHOLD", Kind::Thousandths { min: 0, max: 1_000 }, Some("0.4"),
        "From this confidence on a person looks; below it the receipt counts as unreadable.");
    OCR_TOTALS_TOLERANCE_PERCENT = Setting::new(READING, "OCR_TOTALS_TOLERANCE_PERCENT", Kind::Thousandths { min: 0, max: 50_000 }, Some("1"),
        "By how many percent the sum of the lines may differ from the total. Not used yet: the reader allows 1 %.");

    LOG_LEVEL = Setting::new(SEEING, "LOG_LEVEL", Kind::LogFilter, Some("info"),
        "`error`, `warn`, `info`, `debug` or `trace`; also by module, as in `info,kvit=debug`.");
    LOG_FORMAT = Setting::new(SEEING, "LOG_FORMAT", Kind::Choice(&["text", "json"]), Some("text"),
        "Text for people, JSON for machines. Always on standard error.");
    OTEL_EXPORTER_OTLP_ENDPOINT = Setting::new(SEEING, "OTEL_EXPORTER_OTLP_ENDPOINT", HTTP, None,
        "Where traces go, as OTLP over HTTP (`/v1/traces` is added). Not given: none are made. Sampling by the standard `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.");

    SENTRY_DSN = Setting::secret(RESERVED, "SENTRY_DSN", HTTP,
        "Error reports. Checked, not used yet.");
    SENTRY_TRACES_SAMPLE_RATE = Setting::new(RESERVED, "SENTRY_TRACES_SAMPLE_RATE", Kind::Thousandths { min: 0, max: 1_000 }, Some("0.1"),
        "Share of traces in error reports. Checked, not used yet.");
    TURBOSMS_TOKEN = Setting::secret(RESERVED, "TURBOSMS_TOKEN", Kind::Text,
        "Text messages. Not used yet.");
    TURBOSMS_SENDER = Setting::new(RESERVED, "TURBOSMS_SENDER", Kind::Text, None,
        "Text messages. Not used yet.");
}
