//! Migrating.

use kvit_adapters::postgres::migrate::{MigrateFault, migrate, pending};

use kvit_testkit::PgServer;

#[tokio::test]
async fn a_database_is_migrated_once_by_however_many_at_once() {
    let server = tokio::task::spawn_blocking(|| PgServer::start(false))
        .await
        .unwrap();
    let db = server.empty_database().await;
    let owner = kvit_adapters::postgres::PgSettings::new(&db.owner_url, "test")
        .pool()
        .unwrap();
    assert!(!pending(&owner).await.unwrap().is_empty());
    let (a, b, c) = tokio::join!(
        migrate(&db.owner_url),
        migrate(&db.owner_url),
        migrate(&db.owner_url)
    );
    for result in [a, b, c] {
        result.unwrap();
    }
    assert_eq!(pending(&db.pool).await.unwrap(), Vec::<i64>::new());

    sqlx::raw_sql("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2")
        .execute(&owner)
        .await
        .unwrap();
    assert!(matches!(
        migrate(&db.owner_url).await,
        Err(MigrateFault::Edited(2))
    ));
    server.stop();
    assert!(matches!(
        migrate(&db.owner_url).await,
        Err(MigrateFault::Transient(_))
    ));
}
