//! `kvit replay` and `kvit rebuild` as an auditor meets them.

use serde_json::Value;

use crate::books::{Books, run};
use crate::support::folder;

/// The kill -9 of the case is tried where processes are killed. Here: folding the log again gives the same balances, knows
/// nothing of any provider or bus, and writes nothing into the log.
#[tokio::test(flavor = "multi_thread")]
async fn f57_a_replay_gives_the_same_balances_and_does_nothing_else() {
    let books = Books::busy().await;
    books.settle().await;
    let dir = folder();
    let (status, out, said) = run(&mut books.kvit(dir.path(), &["replay", "--json"]));
    assert_eq!(status, 0, "{out}{said}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["verdict"], "equal");
    assert_eq!(report["head"], books.head);
    let models = report["projections"].as_array().unwrap();
    assert!(models.len() >= 7, "{out}");
    for model in models {
        assert_eq!(model["position"], books.head);
        assert!(model["events_per_second"].as_u64().unwrap() > 0, "{model}");
    }
    let head: i64 = sqlx::query_scalar("SELECT position FROM event_head")
        .fetch_one(&books.db.pool)
        .await
        .unwrap();
    assert_eq!(head, books.head, "a replay wrote into the log");
    let (status, out, _) = run(&mut books.kvit(dir.path(), &["replay"]));
    assert_eq!(status, 0);
    assert!(
        out.contains("ledger: equal at position") && out.contains("events/s"),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changed_row_is_listed_with_both_values_and_the_status_says_so() {
    let books = Books::busy().await;
    books.settle().await;
    let schema = books.schema().await;
    books
        .tamper(&format!(
            "UPDATE {schema}.accounts SET debit_minor = debit_minor + 1 WHERE account = 'bonus:expense' AND currency = 'UAH'"
        ))
        .await;
    books
        .tamper(&format!(
            "DELETE FROM {schema}.statement WHERE entry_no = 2"
        ))
        .await;
    let dir = folder();
    let (status, out, said) =
        run(&mut books.kvit(dir.path(), &["replay", "--projection", "ledger"]));
    assert_eq!(status, 1, "{out}{said}");
    assert!(
        out.contains("ledger.accounts") && out.contains("debit_minor: live"),
        "{out}"
    );
    assert!(out.contains("is missing from the live tables"), "{out}");
    assert!(out.contains("DIFFERENT"), "{out}");
    // Another read model is as it was.
    let (status, out, _) = run(&mut books.kvit(dir.path(), &["replay", "--projection", "users"]));
    assert_eq!(status, 0, "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_earlier_point_the_books_of_then_are_printed_and_compared() {
    let mut books = Books::busy().await;
    let then = books.head;
    let moment: String = sqlx::query_scalar(
        "SELECT to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM event_head",
    )
    .fetch_one(&books.db.pool)
    .await
    .unwrap();
    books.settle().await;
    let earlier = books.live().await;
    let mut late = books.holder("late", kvit_domain::money::Currency::Uah);
    books.credit(&mut late, 4_242).await;
    books.settle().await;
    let dir = folder();
    for until in [
        ["--until-position", &then.to_string()],
        ["--until-time", &moment],
    ] {
        let arguments = ["replay", "--json", until[0], until[1]];
        let (status, out, said) = run(&mut books.kvit(dir.path(), &arguments));
        assert_eq!(status, 0, "{out}{said}");
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["until"], then);
        assert_eq!(report["books"]["balanced"], true);
        let accounts = report["books"]["accounts"].as_array().unwrap();
        assert_eq!(accounts.len(), earlier.len());
        for ((account, currency), net) in &earlier {
            let line = accounts
                .iter()
                .find(|line| {
                    line["account"] == account.to_string() && line["currency"] == currency.code()
                })
                .unwrap();
            let side = |name: &str| {
                line[name]
                    .to_string()
                    .trim_matches('"')
                    .parse::<i128>()
                    .unwrap()
            };
            assert_eq!(
                side("debit_minor") - side("credit_minor"),
                *net,
                "{account}"
            );
        }
    }
    let schema = books.schema().await;
    books
        .tamper(&format!(
            "UPDATE {schema}.statement SET balance_minor = balance_minor + 1"
        ))
        .await;
    let arguments = ["replay", "--until-position", &then.to_string()];
    let (status, out, _) = run(&mut books.kvit(dir.path(), &arguments));
    assert_eq!(status, 1, "{out}");
    assert!(
        out.contains("trial balance") && out.contains("wallets"),
        "{out}"
    );
    assert!(out.contains("balance_minor: live"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_compared_is_never_called_equal() {
    let books = Books::busy().await;
    let dir = folder();
    // Nothing was ever folded.
    let (status, out, _) = run(&mut books.kvit(dir.path(), &["replay"]));
    assert_eq!(status, 3, "{out}");
    assert!(
        out.contains("NOT COMPARED") && out.contains("has not been built yet"),
        "{out}"
    );
    books.settle().await;
    // The log does not reach so far.
    let beyond = (books.head + 1).to_string();
    let (status, _, said) =
        run(&mut books.kvit(dir.path(), &["replay", "--until-position", &beyond]));
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("the log ends at"), "{said}");
    // The read model stands before the point.
    books
        .tamper("UPDATE projection_builds SET checkpoint = checkpoint - 1 WHERE name = 'users'")
        .await;
    let head = books.head.to_string();
    let (status, out, _) = run(&mut books.kvit(dir.path(), &["replay", "--until-position", &head]));
    assert_eq!(status, 3, "{out}");
    // The database is away.
    let mut away = books.kvit(dir.path(), &["replay"]);
    away.env("DATABASE_URL", "postgres://kvit:hunter2@127.0.0.1:9/kvit");
    let (status, out, said) = run(&mut away);
    assert_eq!(status, 3, "{out}{said}");
    assert!(!format!("{out}{said}").contains("hunter2"));
    // Wrong use is something else.
    let (status, _, said) =
        run(&mut books.kvit(dir.path(), &["replay", "--projection", "nothing"]));
    assert_eq!(status, 2, "{said}");
    let mut nowhere = books.kvit(dir.path(), &["replay"]);
    nowhere
        .env_remove("DATABASE_URL")
        .env_remove("DATABASE_OWNER_URL");
    assert_eq!(run(&mut nowhere).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_says_what_was_wrong_and_puts_it_right() {
    let books = Books::busy().await;
    books.settle().await;
    let schema = books.schema().await;
    books
        .tamper(&format!(
            "UPDATE {schema}.wallets SET posted_minor = 0 WHERE posted_minor > 0"
        ))
        .await;
    let dir = folder();
    let (status, out, said) = run(&mut books.kvit(dir.path(), &["rebuild", "ledger"]));
    assert_eq!(status, 0, "{out}{said}");
    assert!(
        out.contains("ledger.wallets") && out.contains("posted_minor: live 0"),
        "{out}"
    );
    assert!(
        said.contains("took over at position") && said.contains("100 %"),
        "{said}"
    );
    assert_ne!(books.schema().await, schema);
    let (status, out, _) = run(&mut books.kvit(dir.path(), &["replay"]));
    assert_eq!(status, 0, "{out}");
    let (status, _, said) = run(&mut books.kvit(dir.path(), &["rebuild", "nothing"]));
    assert_eq!(status, 2);
    assert!(said.contains("there is no read model `nothing`"), "{said}");
}

#[test]
fn every_command_is_on_the_map() {
    let (_, help, _) = run(crate::support::kvit(folder().path()).arg("--help"));
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 16, "{help}");
    let map = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/cli.md");
    let map = std::fs::read_to_string(map).unwrap();
    for command in commands {
        assert!(map.contains(&format!("| `kvit {command}` |")), "{command}");
    }
}
