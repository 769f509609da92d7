//! A person is forgotten. What identified them is nowhere any more, in no form, and the books still hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kvit_adapters::sandbox::client::{Attachment, ContactOf};
use kvit_adapters::sandbox::telegram::NewPerson;
use serde_json::{Value, json};

use crate::support::crowd::{Shopper, What, receipt};
use crate::support::platform::Home;
use crate::support::till::{Person, Till};
use crate::support::verdict::history;
use crate::support::{books, seed, turn, until};

const TELEGRAM_ID: i64 = 7_531_946_802;
const PHONE: &str = "380671946802";
const SBP_PHONE: &str = "79051237946";
const NAME: &str = "Євлампія-Пріся";
const USER_NAME: &str = "prisya_of_the_hills";
const TEXT: &str = "мій таємний рядок про бабусю";
const CAPTION: &str = "підпис під чеком із кутка";

/// What must not be found, by what it is, in every form in which it could lie about.
fn needles(photo: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let id = TELEGRAM_ID.to_string();
    let pieces = [
        ("phone", PHONE),
        // Without the country: the digits that every way of writing it shares.
        ("phone, national", PHONE.trim_start_matches("380")),
        ("phone, as people write it", "+380 67 194 68 02"),
        ("phone, as people write it", "(067) 194-68-02"),
        ("Telegram id", &id),
        ("phone of the bank account", SBP_PHONE),
        ("phone of the bank account, national", &SBP_PHONE[1..]),
        ("name", NAME),
        ("user name", USER_NAME),
        ("message", TEXT),
        ("caption", CAPTION),
    ];
    let mut all = BTreeMap::new();
    for (what, text) in pieces {
        forms(&mut all, &format!("{what} `{text}`"), text.as_bytes());
        let escaped = text.encode_utf16().fold(String::new(), |mut all, unit| {
            write!(all, "\\u{unit:04x}").unwrap();
            all
        });
        all.insert(format!("{what} `{text}`, escaped"), escaped.into_bytes());
    }
    // A stretch of the picture itself, which no other picture has.
    let middle = photo.len() / 2;
    forms(&mut all, "photo", &photo[middle..middle + 48]);
    all
}

/// As bytes, in hexadecimal digits, and in base64 wherever it begins in a longer text.
fn forms(all: &mut BTreeMap<String, Vec<u8>>, what: &str, bytes: &[u8]) {
    all.insert(what.to_owned(), bytes.to_vec());
    all.insert(format!("{what}, hex"), hex::encode(bytes).into_bytes());
    for shift in 0..3 {
        let mut padded = vec![0; shift];
        padded.extend(bytes);
        let text = STANDARD_NO_PAD.encode(&padded);
        // Characters that depend on the neighbours are left out.
        let whole = &text[(shift * 8).div_ceil(6)..padded.len() * 8 / 6];
        all.insert(
            format!("{what}, base64 at {shift}"),
            whole.as_bytes().to_vec(),
        );
        let url = whole.replace('+', "-").replace('/', "_").into_bytes();
        all.insert(format!("{what}, base64 for addresses at {shift}"), url);
    }
}

/// Where each needle lies. Its first line.
fn found_in(haystack: &[u8], needles: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let hit = |needle: &[u8]| {
        let at = haystack
            .windows(needle.len())
            .position(|window| window == needle)?;
        let from = haystack[..at].iter().rposition(|byte| *byte == b'\n');
        let line = &haystack[from.map_or(0, |from| from + 1)..];
        let line: String = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
        Some(line.lines().next().unwrap_or_default().to_owned())
    };
    needles
        .iter()
        .filter_map(|(what, needle)| Some(format!("{what}: {}", hit(needle)?)))
        .collect()
}

/// All files below a folder.
fn files(below: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut open = vec![below.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                all.push(entry.path());
            }
        }
    }
    all
}

/// Everything in the database as text: all schemas, all tables, all rows.
async fn dump(home: &Home) -> Vec<u8> {
    let endpoints = std::fs::read_to_string(home.state().join("endpoints.env")).unwrap();
    let mut lines = endpoints.lines();
    let url = lines
        .find_map(|line| line.strip_prefix("DATABASE_URL="))
        .unwrap();
    let url = url.replace("kvit_app@", "postgres@");
    let done = tokio::task::spawn_blocking(move || {
        Command::new("pg_dump")
            .args(["--no-owner", "--inserts", &url])
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{complaints}");
    done.stdout
}

/// Every message of every stream of the bus, with subject and headers.
async fn bus(till: &Till) -> Vec<u8> {
    use futures::TryStreamExt as _;
    let names: Vec<String> = till.parts.bus.stream_names().try_collect().await.unwrap();
    assert!(!names.is_empty());
    let mut all = Vec::new();
    for name in names {
        let mut stream = till.parts.bus.get_stream(&name).await.unwrap();
        let state = stream.info().await.unwrap().state.clone();
        for number in state.first_sequence..=state.last_sequence {
            let Ok(message) = stream.get_raw_message(number).await else {
                continue;
            };
            let headers = format!("{name} {} {:?}\n", message.subject, message.headers);
            all.extend(headers.into_bytes());
            all.extend(&message.payload[..]);
            all.push(b'\n');
        }
    }
    all
}

/// The books in every form that they can leave in.
async fn exports(home: &Home) -> PathBuf {
    let folder = home.path().join("exports");
    std::fs::create_dir(&folder).unwrap();
    for format in ["hledger", "beancount", "csv", "jsonl", "bundle"] {
        let out = folder.join(format);
        let out = out.to_str().unwrap();
        let (code, said) = home
            .run(&["export", "--format", format, "--out", out])
            .await;
        assert_eq!(code, Some(0), "{format}: {said}");
    }
    folder
}

/// Goes through the onboarding under a name that nobody else has.
async fn joins(till: &Till) -> Person {
    let telegram = till.telegram();
    let mut shopper = Shopper::stranger(telegram, TELEGRAM_ID).await;
    shopper.phone = PHONE.to_owned();
    let person = NewPerson {
        id: Some(TELEGRAM_ID),
        first_name: NAME.to_owned(),
        username: Some(USER_NAME.to_owned()),
        language_code: Some("en".to_owned()),
        ..NewPerson::default()
    };
    telegram.create_user(&person).await.unwrap();
    telegram.send_text(TELEGRAM_ID, "/start").await.unwrap();
    shopper.accept_terms(telegram).await;
    telegram
        .send_contact(TELEGRAM_ID, PHONE, ContactOf::Own)
        .await
        .unwrap();
    shopper.sees(telegram, "***-**-").await;
    let id = till.parts.app.user_id(TELEGRAM_ID).to_string();
    Person { shopper, id }
}

/// Leaves traces wherever a person can.
async fn lives(till: &Till, person: &Person, photo: &[u8]) {
    let telegram = till.telegram();
    let shopper = &person.shopper;
    let caption = Attachment {
        bytes: photo,
        caption: Some(CAPTION),
        ..Attachment::default()
    };
    telegram.send_photo(TELEGRAM_ID, &caption).await.unwrap();
    shopper.sees(telegram, "has been topped up").await;
    for text in [TEXT, PHONE, "/balance", "/history"] {
        shopper
            .answer_to(telegram, telegram.send_text(TELEGRAM_ID, text))
            .await;
    }
    till.top_up(person, 30_000).await;
    let route = json!({"to": "sbp", "phone": SBP_PHONE, "bank_id": "100000000111"});
    let payout = till.pay_out(person, 20_000, "RUB", route).await;
    till.becomes(&payout, "succeeded").await;
    till.expect(&person.wallet("RUB"), -20_000);
}

async fn is_forgotten(till: &Till, person: &Person) {
    let telegram = till.telegram();
    let question = person
        .shopper
        .answer_to(telegram, telegram.send_text(TELEGRAM_ID, "/forget"))
        .await;
    let (_, yes) = question
        .buttons()
        .into_iter()
        .find(|(label, _)| label.contains("delete for ever"))
        .unwrap();
    telegram
        .press(TELEGRAM_ID, question.message_id, &yes)
        .await
        .unwrap();
    person
        .shopper
        .sees(telegram, "your data is deleted for ever")
        .await;
    until("the account to be forgotten", || async {
        let shown = till.read(&format!("/v1/users/{}", person.id)).await;
        (shown["forgotten"] == true && shown["has_phone"] == false).then_some(())
    })
    .await;
}

/// Nothing is under way for anybody: no update, no message, no notification.
async fn at_rest(till: &Till) {
    until("everything to come to rest", || async {
        let waiting = "SELECT (SELECT count(*) FROM telegram_updates WHERE handled_at IS NULL)
            + (SELECT count(*) FROM telegram_messages WHERE content IS NOT NULL)
            + (SELECT count(*) FROM notifications WHERE followed_up IS NULL)";
        let (count,): (i64,) = sqlx::query_as(waiting)
            .fetch_one(&till.parts.pool)
            .await
            .unwrap();
        (count == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_person_is_found_in_no_table_event_message_log_export_or_object() {
    let _turn = turn().await;
    let seed = seed("erasure");
    let till = Till::open(seed).await;
    till.home.campaign().await;
    let photo = receipt(0, 6, What::Sale).jpeg;
    let needles = needles(&photo);
    let person = joins(&till).await;
    lives(&till, &person, &photo).await;
    let other = till.person(75_000_051).await;
    till.top_up(&other, 1_000).await;
    at_rest(&till).await;
    let before = found_everywhere(&till, &needles).await;
    assert_eq!(
        before,
        Vec::<String>::new(),
        "in the clear while the person is with us"
    );
    let events = history(&till.parts).await.len();
    let app = &till.parts.app;
    let user = app.user_id(TELEGRAM_ID);
    assert!(app.phone(user).await.unwrap().is_some(), "known until now");

    is_forgotten(&till, &person).await;
    at_rest(&till).await;
    // A process of its own: what a cache still knew would not count.
    let fresh = till.home.parts().await;
    assert!(fresh.app.phone(user).await.unwrap().is_none());
    assert!(fresh.app.telegram_id(user).await.unwrap().is_none());
    assert!(
        history(&till.parts).await.len() > events,
        "history only grows"
    );
    let exported = exports(&till.home).await;
    let mut after = found_everywhere(&till, &needles).await;
    for path in files(&exported) {
        let bytes = std::fs::read(&path).unwrap();
        let hits = found_in(&bytes, &needles).into_iter();
        after.extend(hits.map(|hit| format!("{}: {hit}", path.display())));
    }
    assert_eq!(after, Vec::<String>::new());
    nobody_can_go_on(&till, &person).await;
    books::all_agree(&till).await;
}

/// The database, the bus, what is stored, and what the processes said.
async fn found_everywhere(till: &Till, needles: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut found = Vec::new();
    let dump = dump(&till.home).await;
    for table in ["events", "telegram_updates", "notifications", "person_keys"] {
        let insert = format!("INSERT INTO public.{table} ");
        let has_rows = found_in(
            &dump,
            &BTreeMap::from([(table.into(), insert.into_bytes())]),
        );
        assert_eq!(has_rows.len(), 1, "the dump has rows of {table}");
    }
    let mut look = |name: String, bytes: &[u8]| {
        let hits = found_in(bytes, needles).into_iter();
        found.extend(hits.map(|hit| format!("{name}: {hit}")));
    };
    look("database".to_owned(), &dump);
    look("bus".to_owned(), &bus(till).await);
    let mut stored = 0;
    let state = till.home.state();
    for path in files(till.home.path()) {
        stored += usize::from(path.starts_with(state.join("s3")));
        let name = path.display().to_string();
        look(format!("name of {name}"), name.as_bytes());
        look(name, &std::fs::read(&path).unwrap_or_default());
    }
    assert!(stored > 0, "the photo is stored somewhere");
    found
}

/// The account is closed: money that is left stays where it is.
async fn nobody_can_go_on(till: &Till, person: &Person) {
    let body = json!({
        "user_id": person.id, "provider": "yookassa", "amount": {"minor": 100, "currency": "RUB"},
    });
    let refused = till.refused("/v1/payments", body).await;
    assert_eq!(refused.1, "user_forgotten");
    let route = json!({"to": "sbp", "phone": SBP_PHONE, "bank_id": "100000000111"});
    let body = json!({
        "user_id": person.id, "amount": {"minor": 100, "currency": "RUB"}, "route": route,
    });
    let refused = till.refused("/v1/payouts", body).await;
    assert_eq!(refused.1, "user_forgotten");
    let wallets = till.read(&format!("/v1/users/{}/wallets", person.id)).await;
    let list = wallets["data"].as_array().unwrap();
    let roubles = list.iter().find(|one| one["posted"]["currency"] == "RUB");
    assert_eq!(
        roubles.map(|one| &one["posted"]["minor"]),
        Some(&Value::from(10_000))
    );
}

#[test]
fn the_search_finds_each_form_of_what_it_looks_for() {
    let photo: Vec<u8> = (0..=255).collect();
    let needles = needles(&photo);
    for text in [PHONE, SBP_PHONE, NAME, TEXT] {
        let bytes = text.as_bytes();
        for shift in 0..5 {
            let mut inside = vec![b'x'; shift];
            inside.extend(bytes);
            inside.extend(b"yy");
            for haystack in [
                inside.clone(),
                hex::encode(&inside).into_bytes(),
                STANDARD_NO_PAD.encode(&inside).into_bytes(),
                serde_json::to_vec(&text).unwrap(),
            ] {
                assert_ne!(
                    found_in(&haystack, &needles),
                    Vec::<String>::new(),
                    "{text} {shift}"
                );
            }
        }
    }
    assert_eq!(
        found_in(b"nothing of interest", &needles),
        Vec::<String>::new()
    );
}
