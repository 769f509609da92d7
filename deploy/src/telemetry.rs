//! Logs, traces and metrics of the process.
//!
//! Logs go to standard error as text or JSON. Traces are made only when a receiver is configured; the W3C propagator is always
//! there, so that a context that comes in is carried on. Metrics are kept in the process and rendered by the gateway.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{AppEnv, Config, LogFormat};
use crate::ui;

/// Bounds of latency histograms in seconds: from a cached answer to a stuck provider.
const LATENCY: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// How often old samples are folded away; without it the recorder's memory grows.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long the last traces may take to leave.
const FLUSH: Duration = Duration::from_secs(5);

/// Why the process cannot show what it does.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The trace exporter cannot be made.
    #[error("cannot export traces")]
    Exporter(#[source] ExporterBuildError),
    /// Another subscriber is installed already.
    #[error("cannot install the log subscriber")]
    Logs(#[source] TryInitError),
    /// Another recorder is installed already, or its histograms are wrong.
    #[error("cannot install the metrics recorder")]
    Metrics(#[source] BuildError),
}

/// What was installed.
#[derive(Debug)]
pub struct Telemetry {
    metrics: PrometheusHandle,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Installs logs, traces and metrics for the whole process, once. Call it inside the runtime.
    ///
    /// # Errors
    /// See [`TelemetryError`].
    pub fn install(config: &Config, role: &'static str) -> Result<Self, TelemetryError> {
        global::set_text_map_propagator(TraceContextPropagator::new());
        // A panic's own words may quote what it stumbled over, such as a message; the place is enough to find it.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::error!(place, "a panic");
        }));
        let traces = config
            .log
            .otlp_endpoint
            .as_deref()
            .map(|endpoint| tracer_provider(endpoint, config.app_env, role))
            .transpose()?;
        // Clients of HTTP tell addresses at debug level, and a Bot API address holds the bot's token.
        let quiet =
            "sqlx=warn,async_nats=warn,hyper=info,hyper_util=info,reqwest=info,teloxide_core=info";
        let filter = EnvFilter::new(format!("{quiet},{}", config.log.level));
        let lines = match config.log.format {
            LogFormat::Text => fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(ui::colour())
                .boxed(),
            LogFormat::Json => fmt::layer()
                .with_writer(std::io::stderr)
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .boxed(),
        };
        let spans = traces
            .as_ref()
            .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("kvit")));
        tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .with(spans)
            .try_init()
            .map_err(TelemetryError::Logs)?;
        if config.log.format == LogFormat::Json {
            ui::speak_json();
        }
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(TelemetryError::Metrics)?;
        let upkeep = metrics.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { metrics, traces })
    }

    /// The recorder's handle; the gateway renders it at `/metrics`.
    pub fn metrics(&self) -> &PrometheusHandle {
        &self.metrics
    }

    /// Sends the last traces. Blocks for some seconds at most.
    pub async fn flush(self) {
        let Some(provider) = self.traces else { return };
        // The exporter has threads and a blocking client of its own, which must not be waited for on the runtime's threads.
        let done = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH)).await;
        if !matches!(done, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

fn tracer_provider(
    endpoint: &str,
    env: AppEnv,
    role: &'static str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(Duration::from_secs(10))
        .build()
        .map_err(TelemetryError::Exporter)?;
    let environment = match env {
        AppEnv::Dev => "dev",
        AppEnv::Test => "test",
        AppEnv::Prod => "prod",
    };
    let resource = Resource::builder()
        .with_service_name("kvit")
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("deployment.environment.name", environment),
            KeyValue::new("kvit.role", role),
        ])
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}
