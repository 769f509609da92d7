//! Object storage against a real S3 server in this process.

use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kvit_adapters::s3::{S3Objects, S3Settings};
use kvit_commands::ports::objects::{ObjectFault, ObjectKey, ObjectStore};

/// A server over a folder, with one bucket.
async fn server(folder: &std::path::Path) -> String {
    std::fs::create_dir(folder.join("receipts")).unwrap();
    let mut service = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    service.set_auth(s3s::auth::SimpleAuth::from_single(
        "test-access",
        "test-secret",
    ));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    format!("http://{address}")
}

fn settings(endpoint: &str) -> S3Settings {
    let _ = rustls::crypto::ring::default_provider().install_default();
    S3Settings {
        endpoint: endpoint.to_owned(),
        bucket: "receipts".to_owned(),
        region: "local".to_owned(),
        access_key: "test-access".to_owned(),
        secret_key: "test-secret".to_owned(),
        timeout: Duration::from_secs(5),
    }
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::try_new(text).unwrap()
}

#[tokio::test]
async fn an_object_is_stored_read_asked_about_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = S3Objects::try_new(&settings(&server(folder.path()).await)).unwrap();
    store.check().await.unwrap();
    let (photo, absent) = (
        key("receipts/2026/11/0a1b.jpg"),
        key("receipts/2026/11/none.jpg"),
    );
    let body = Bytes::from(vec![9_u8; 300_000]);
    store.put(&photo, body.clone(), "image/jpeg").await.unwrap();
    store.put(&photo, body.clone(), "image/jpeg").await.unwrap();
    assert_eq!(store.get(&photo, 300_000).await.unwrap(), body);
    assert_eq!(
        store.get(&photo, 299_999).await,
        Err(ObjectFault::TooLarge { limit: 299_999 })
    );
    assert_eq!(store.head(&photo).await.unwrap().unwrap().size, 300_000);
    assert_eq!(store.get(&absent, 10).await, Err(ObjectFault::NotFound));
    assert_eq!(store.head(&absent).await, Ok(None));
    store.delete(&photo).await.unwrap();
    store.delete(&photo).await.unwrap();
    assert_eq!(store.head(&photo).await, Ok(None));
}

#[tokio::test]
async fn faults_of_the_store_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = server(folder.path()).await;
    let wrong_key = S3Settings {
        secret_key: "another".to_owned(),
        ..settings(&endpoint)
    };
    let denied = S3Objects::try_new(&wrong_key)
        .unwrap()
        .get(&key("a"), 10)
        .await;
    assert!(matches!(denied, Err(ObjectFault::Fatal(_))), "{denied:?}");
    let no_bucket = S3Settings {
        bucket: "nowhere".to_owned(),
        ..settings(&endpoint)
    };
    let missing = S3Objects::try_new(&no_bucket).unwrap().check().await;
    assert!(matches!(missing, Err(ObjectFault::Fatal(_))), "{missing:?}");
    let away = S3Objects::try_new(&settings("http://127.0.0.1:9")).unwrap();
    let gone = away
        .put(&key("a"), Bytes::from_static(b"x"), "text/plain")
        .await;
    assert!(matches!(gone, Err(ObjectFault::Transient(_))), "{gone:?}");
}
