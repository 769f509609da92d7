//! The simulated services outlive the platform that hosts them.

use std::path::Path;

use kvit_adapters::portmone::{Bill, BillStatus, PayOutcome, StatusOutcome};
use kvit_adapters::sandbox::client::Attachment;
use kvit_adapters::sandbox::{RunningSandbox, Sandbox, SandboxConfig};
use serde_json::json;

use crate::common::{Bot, KYIVSTAR, PHONE, client, created, person, uah};

async fn start(dir: &Path) -> RunningSandbox {
    Sandbox::start(SandboxConfig {
        dir: Some(dir.to_owned()),
        ..SandboxConfig::default()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn people_chats_files_updates_commands_and_bills_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path()).await;
    let (control, bot) = (first.client().clone(), Bot::of(&first));
    let id = person(&control, "Olena").await.id;
    control
        .send_photo(
            id,
            &Attachment {
                bytes: b"the photo",
                ..Attachment::default()
            },
        )
        .await
        .unwrap();
    let sent = bot
        .ok("sendMessage", json!({"chat_id": id, "text": "reading"}))
        .await["message_id"]
        .as_i64()
        .unwrap();
    bot.ok(
        "editMessageText",
        json!({"chat_id": id, "message_id": sent, "text": "credited"}),
    )
    .await;
    bot.ok(
        "setMyCommands",
        json!({"commands": [{"command": "help", "description": "x"}]}),
    )
    .await;
    let bill = created(&client(&first)).await;
    assert!(matches!(
        client(&first)
            .pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000))
            .await,
        PayOutcome::Paid(_)
    ));
    let before = (
        control.chat_messages(id).await.unwrap(),
        control.bills().await.unwrap(),
        bot.updates(0).await,
    );
    // Dropped without a farewell: what a kill leaves is what is already in the files.
    drop(first);

    let second = start(dir.path()).await;
    let (control, bot) = (second.client().clone(), Bot::of(&second));
    let after = (
        control.chat_messages(id).await.unwrap(),
        control.bills().await.unwrap(),
        bot.updates(0).await,
    );
    assert_eq!(before, after);
    let file_id = after.2[0]["message"]["photo"][0]["file_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        control.file(&file_id).await.unwrap(),
        b"the photo".as_slice()
    );
    let read = client(&second)
        .bill_status(&bill.id, KYIVSTAR, PHONE, uah(5_000))
        .await;
    assert!(matches!(
        read,
        StatusOutcome::Known(Bill {
            status: BillStatus::Paid,
            ..
        })
    ));
    assert!(matches!(
        client(&second)
            .pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000))
            .await,
        PayOutcome::Paid(_)
    ));
    assert_eq!(
        control.bills().await.unwrap().moved_minor,
        5_000,
        "a paid bill stays paid once"
    );
    let next = control.send_text(id, "again").await.unwrap();
    assert!(
        next.message_id > sent
            && next.update_id.unwrap() > after.2[0]["update_id"].as_i64().unwrap()
    );
}

#[tokio::test]
async fn a_torn_last_line_costs_only_what_was_never_answered() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path()).await;
    let bill = created(&client(&first)).await;
    drop(first);
    let journal = dir.path().join("portmone.jsonl");
    let mut text = std::fs::read(&journal).unwrap();
    text.extend_from_slice(b"[{\"change\":\"paid\",\"id\":\"523\",\"amou");
    std::fs::write(&journal, text).unwrap();
    let second = start(dir.path()).await;
    let books = second.client().bills().await.unwrap();
    assert_eq!(
        (
            books.bills[0].id.as_str(),
            books.bills[0].status.as_str(),
            books.moved_minor
        ),
        (bill.id.as_str(), "created", 0)
    );
}

#[tokio::test]
async fn a_stopped_sandbox_frees_its_port_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path()).await;
    let addr = first.base_url().socket_addrs(|| None).unwrap()[0];
    let polling = Bot::of(&first);
    let poll = tokio::spawn(async move { polling.raw("getUpdates", json!({"timeout": 30})).await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    first.shutdown().await;
    let again = Sandbox::start(SandboxConfig {
        bind: addr,
        ..SandboxConfig::default()
    })
    .await
    .unwrap();
    assert_eq!(again.base_url().port(), Some(addr.port()));
    assert!(poll.await.is_err(), "the poll was cut off");
}
