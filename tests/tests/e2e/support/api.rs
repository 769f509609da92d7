//! The HTTP API with the first key.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::PATIENCE;
use super::platform::Home;

/// A caller of the gateway with all scopes.
pub struct Api {
    base: String,
    key: String,
    http: reqwest::Client,
}

impl Api {
    pub fn new(home: &Home, base: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            base: base.to_owned(),
            key: home.secret("KVIT_BOOTSTRAP_API_KEY"),
            http,
        }
    }

    /// The same gateway with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            base: self.base.clone(),
            key: key.to_owned(),
            http: self.http.clone(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.http
            .get(self.url(path))
            .bearer_auth(&self.key)
            .send()
            .await
            .unwrap()
    }

    /// The body of a successful answer.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A change under an idempotency key.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> reqwest::Response {
        let request = self.http.post(self.url(path)).bearer_auth(&self.key);
        request
            .header("Idempotency-Key", key)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// A change that must be taken; the answer.
    pub async fn change(&self, path: &str, key: &str, body: &Value) -> Value {
        let answer = self.post(path, key, body).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path} {key}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A change that must be refused: the status, the code, and the whole answer.
    pub async fn refused(&self, path: &str, key: &str, body: &Value) -> (u16, String, Value) {
        let answer = self.post(path, key, body).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(!status.is_success(), "{path} {key}: {status} {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        let code = problem["code"].as_str().unwrap_or_default().to_owned();
        (status.as_u16(), code, problem)
    }

    /// A change as a good client makes it: again under the same key until there is an answer that means something. The
    /// status and the answer.
    pub async fn persist(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let begun = Instant::now();
        loop {
            let request = self.http.post(self.url(path)).bearer_auth(&self.key);
            let sent = request.header("Idempotency-Key", key).json(body).send();
            let why = match sent.await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    match answer.json().await {
                        Ok(answer) if status < 500 && status != 429 => return (status, answer),
                        Ok(answer) => format!("{status} {answer}"),
                        Err(error) => error.to_string(),
                    }
                }
                Err(error) => error.to_string(),
            };
            assert!(begun.elapsed() < PATIENCE, "{path} {key}: {why}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
