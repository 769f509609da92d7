//! Photos and documents, both ways.

use kvit_adapters::sandbox::client::Attachment;
use serde_json::{Value, json};

use crate::common::{Bot, TOKEN, acquainted, sandbox};

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(width, height)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn a_photo_has_several_sizes_and_the_last_is_the_original() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let bytes = b"not really an image, but the very bytes that were sent".as_slice();
    let sent = control
        .send_photo(
            id,
            &Attachment {
                bytes,
                caption: Some("mine"),
                ..Attachment::default()
            },
        )
        .await
        .unwrap();
    let message = bot.updates(sent.update_id.unwrap()).await.remove(0)["message"].clone();
    let sizes = message["photo"].as_array().unwrap();
    assert!(sizes.len() > 1 && message["caption"] == "mine");
    let widths: Vec<i64> = sizes
        .iter()
        .map(|size| size["width"].as_i64().unwrap())
        .collect();
    assert!(widths.is_sorted(), "{widths:?}");
    let file = bot
        .ok(
            "getFile",
            json!({"file_id": sizes.last().unwrap()["file_id"]}),
        )
        .await;
    let path = file["file_path"].as_str().unwrap();
    for path in [path.to_owned(), path.replace('/', "%2F")] {
        let url = format!("{}file/bot{TOKEN}/{path}", sandbox.telegram_url());
        assert_eq!(
            reqwest::get(url).await.unwrap().bytes().await.unwrap(),
            bytes,
            "{path}"
        );
    }
    let sent = control
        .send_photo(
            id,
            &Attachment {
                bytes: &png(400, 1000),
                ..Attachment::default()
            },
        )
        .await
        .unwrap();
    let message = bot.updates(sent.update_id.unwrap()).await.remove(0)["message"].clone();
    let sides: Vec<_> = message["photo"]
        .as_array()
        .unwrap()
        .iter()
        .map(|size| (size["width"].clone(), size["height"].clone()))
        .collect();
    assert_eq!(
        sides,
        [(36, 90), (128, 320), (320, 800), (400, 1000)]
            .map(|(width, height)| (json!(width), json!(height)))
    );
}

#[tokio::test]
async fn a_document_keeps_its_name_and_type_and_one_over_20_mb_cannot_be_downloaded() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let small = Attachment {
        bytes: b"%PDF",
        file_name: Some("чек.pdf"),
        mime_type: Some("application/pdf"),
        ..Attachment::default()
    };
    let sent = control.send_document(id, &small).await.unwrap();
    let document =
        bot.updates(sent.update_id.unwrap()).await.remove(0)["message"]["document"].clone();
    assert_eq!(
        (
            &document["file_name"],
            &document["mime_type"],
            &document["file_size"]
        ),
        (&json!("чек.pdf"), &json!("application/pdf"), &json!(4))
    );
    let huge = vec![0_u8; 20 * 1024 * 1024 + 1];
    let sent = control
        .send_document(
            id,
            &Attachment {
                bytes: &huge,
                file_name: Some("big.bin"),
                ..Attachment::default()
            },
        )
        .await
        .unwrap();
    let document =
        bot.updates(sent.update_id.unwrap()).await.remove(0)["message"]["document"].clone();
    assert_eq!(
        bot.error("getFile", json!({"file_id": document["file_id"]}))
            .await
            .1,
        "Bad Request: file is too big"
    );
    assert_eq!(
        bot.error("getFile", json!({"file_id": "guess"})).await.1,
        "Bad Request: invalid file_id"
    );
}

#[tokio::test]
async fn the_bot_can_upload_a_document_by_attachment_and_send_it_again_by_id() {
    let sandbox = sandbox().await;
    let (control, bot) = (sandbox.client(), Bot::of(&sandbox));
    let id = acquainted(control, &bot, "Olena").await.id;
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n{id}\r\n--b\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\nattach://p1\r\n\
         --b\r\nContent-Disposition: form-data; name=\"p1\"; filename=\"export.json\"\r\nContent-Type: application/json\r\n\r\n{{\"a\":1}}\r\n--b--\r\n"
    );
    let url = format!("{}bot{TOKEN}/SendDocument", sandbox.telegram_url());
    let request = crate::common::http()
        .post(url)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let document = &answer["result"]["document"];
    assert_eq!(document["file_name"], "export.json", "{answer}");
    let file_id = document["file_id"].as_str().unwrap();
    assert_eq!(
        control.file(file_id).await.unwrap(),
        b"{\"a\":1}".as_slice()
    );
    let again = bot
        .ok(
            "sendDocument",
            json!({"chat_id": id, "document": file_id, "caption": "again"}),
        )
        .await;
    assert_eq!(again["document"]["file_id"], file_id);
    assert!(
        bot.error("sendDocument", json!({"chat_id": id, "document": "nope"}))
            .await
            .1
            .contains("wrong file identifier")
    );
}
