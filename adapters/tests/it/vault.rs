//! Sealing of personal data.

use std::sync::Arc;

use kvit_adapters::vault::{MasterKeys, PgVault};
use kvit_commands::ports::vault::{Vault, VaultFault};
use kvit_domain::event::StreamId;
use kvit_domain::sealed::Sealed;
use uuid::Uuid;

const PHONE: &[u8] = b"380500000001";

fn secret(byte: u8) -> MasterKeys {
    MasterKeys::try_new(&[byte; 32]).unwrap()
}

async fn vault(pool: &sqlx::PgPool, masters: MasterKeys) -> PgVault {
    PgVault::open_with(pool.clone(), masters).await.unwrap()
}

#[tokio::test]
async fn a_sealed_field_opens_in_its_own_place_only() {
    let db = kvit_testkit::pg().await;
    let vault = vault(&db.pool, secret(1)).await;
    let (person, other) = (Uuid::now_v7(), Uuid::now_v7());
    let stream = StreamId::new("user", "u-1");
    let sealed = vault.seal(person, &stream, "phone", PHONE).await.unwrap();
    assert!(sealed.as_str().starts_with("v1.") && !sealed.as_str().contains("380500000001"));
    let again = vault.seal(person, &stream, "phone", PHONE).await.unwrap();
    assert_eq!(sealed, again, "a repeated command has the same body");
    for elsewhere in [
        vault.seal(person, &stream, "other", PHONE).await.unwrap(),
        vault
            .seal(person, &StreamId::new("user", "u-2"), "phone", PHONE)
            .await
            .unwrap(),
        vault.seal(other, &stream, "phone", PHONE).await.unwrap(),
        vault
            .seal(person, &stream, "phone", b"380500000002")
            .await
            .unwrap(),
    ] {
        let body = |sealed: &str| sealed.rsplit('.').next().unwrap()[..16].to_owned();
        assert_ne!(
            body(sealed.as_str()),
            body(elsewhere.as_str()),
            "equal values elsewhere look different"
        );
    }
    assert_eq!(
        vault
            .open(person, &stream, "phone", &sealed)
            .await
            .unwrap()
            .unwrap(),
        PHONE
    );

    vault.seal(other, &stream, "phone", PHONE).await.unwrap();
    let elsewhere = StreamId::new("user", "u-2");
    for refused in [
        vault.open(person, &elsewhere, "phone", &sealed).await,
        vault.open(person, &stream, "name", &sealed).await,
        vault
            .open(
                person,
                &stream,
                "phone",
                &Sealed::from_sealed(sealed.as_str().replace("v1", "v2")),
            )
            .await,
        vault.open(Uuid::now_v7(), &stream, "phone", &sealed).await,
    ] {
        assert!(matches!(refused, Err(VaultFault::Fatal(_))), "{refused:?}");
    }
    assert_eq!(
        vault.open(other, &stream, "phone", &sealed).await.unwrap(),
        None,
        "it names another key"
    );
    let mut changed = sealed.as_str().to_owned().into_bytes();
    let last = changed.len() - 3;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let changed = Sealed::from_sealed(String::from_utf8(changed).unwrap());
    assert!(
        vault
            .open(person, &stream, "phone", &changed)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_sealed_body_opens_in_its_own_context_only() {
    let db = kvit_testkit::pg().await;
    let vault = vault(&db.pool, secret(1)).await;
    let person = Uuid::now_v7();
    let image = vec![7_u8; 300_000];
    let sealed = vault
        .seal_bytes(person, "receipts/a.jpg", &image)
        .await
        .unwrap();
    assert_eq!(
        vault
            .open_bytes(person, "receipts/a.jpg", &sealed)
            .await
            .unwrap()
            .unwrap(),
        image
    );
    assert!(
        vault
            .open_bytes(person, "receipts/b.jpg", &sealed)
            .await
            .is_err()
    );
    assert!(
        vault
            .open_bytes(person, "receipts/a.jpg", b"kv1")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_was_sealed_for_a_forgotten_person_never_opens_again() {
    let db = kvit_testkit::pg().await;
    let vault = vault(&db.pool, secret(1)).await;
    let person = Uuid::now_v7();
    let stream = StreamId::new("user", "u-1");
    let sealed = vault.seal(person, &stream, "phone", PHONE).await.unwrap();
    vault.forget(person).await.unwrap();
    vault.forget(person).await.unwrap();
    assert_eq!(
        vault.open(person, &stream, "phone", &sealed).await.unwrap(),
        None
    );
    assert_eq!(
        vault.seal(person, &stream, "phone", PHONE).await,
        Err(VaultFault::Forgotten)
    );
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM person_keys WHERE wrapped IS NOT NULL")
            .fetch_one(&db.pool)
            .await
            .unwrap();
    assert_eq!(left, 0);

    vault.reopen(person).await.unwrap();
    let again = vault.seal(person, &stream, "phone", PHONE).await.unwrap();
    vault.reopen(person).await.unwrap();
    assert_eq!(
        vault
            .open(person, &stream, "phone", &again)
            .await
            .unwrap()
            .unwrap(),
        PHONE
    );
    assert_eq!(
        vault.open(person, &stream, "phone", &sealed).await.unwrap(),
        None,
        "the old data stays closed"
    );

    let stranger = Uuid::now_v7();
    vault.forget(stranger).await.unwrap();
    assert_eq!(
        vault.seal(stranger, &stream, "phone", PHONE).await,
        Err(VaultFault::Forgotten)
    );
    let erased = sqlx::raw_sql("DELETE FROM person_keys")
        .execute(&db.pool)
        .await;
    assert!(erased.is_err(), "the proof of forgetting stays");
}

#[tokio::test]
async fn a_new_master_key_takes_over_and_search_hashes_stay_the_same() {
    let db = kvit_testkit::pg().await;
    let first = vault(&db.pool, secret(1)).await;
    let person = Uuid::now_v7();
    let stream = StreamId::new("user", "u-1");
    let sealed = first.seal(person, &stream, "phone", PHONE).await.unwrap();
    let hash = first.lookup_hash("phone", "380500000001");
    assert_ne!(hash, first.lookup_hash("name", "380500000001"));
    assert_ne!(first.lookup_hash("a", "bc"), first.lookup_hash("ab", "c"));

    let unknown = PgVault::open_with(db.pool.clone(), secret(2)).await;
    assert!(
        matches!(unknown, Err(VaultFault::Fatal(_))),
        "another secret does not open the vault"
    );
    let both = secret(2).with_former(&[1; 32]).unwrap();
    let second = vault(&db.pool, both).await;
    assert_eq!(
        second
            .open(person, &stream, "phone", &sealed)
            .await
            .unwrap()
            .unwrap(),
        PHONE
    );
    assert_eq!(second.rewrap(100).await.unwrap(), 2);
    assert_eq!(second.rewrap(100).await.unwrap(), 0);

    let third = vault(&db.pool, secret(2)).await;
    assert_eq!(
        third
            .open(person, &stream, "phone", &sealed)
            .await
            .unwrap()
            .unwrap(),
        PHONE
    );
    assert_eq!(third.lookup_hash("phone", "380500000001"), hash);
    assert!(MasterKeys::try_new(&[1; 31]).is_err());
}

#[tokio::test]
async fn twenty_first_seals_at_once_use_one_key() {
    let db = kvit_testkit::pg().await;
    let vaults = [
        vault(&db.pool, secret(1)).await,
        vault(&db.pool, secret(1)).await,
    ]
    .map(Arc::new);
    let person = Uuid::now_v7();
    let stream = StreamId::new("user", "u-1");
    let seals = (0..20).map(|n| vaults[n % 2].seal(person, &stream, "phone", PHONE));
    for sealed in futures::future::join_all(seals).await {
        let opened = vaults[0]
            .open(person, &stream, "phone", &sealed.unwrap())
            .await
            .unwrap();
        assert_eq!(opened.unwrap(), PHONE);
    }
}
