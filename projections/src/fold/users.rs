//! People, without anything that identifies them: the phone stands here as a keyed hash only.

use chrono::{DateTime, Utc};
use kvit_domain::ids::UserId;
use kvit_domain::user::UserEvent;

use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use crate::table::{table, tables};

table! {
    /// A person's account.
    UserRow in "users"
    key UserKey {
        /// Its id.
        user_id: UserId,
    }
    columns {
        /// `registered`, `active` (terms accepted), `banned`, `blocked` (the bot cannot write) or `forgotten`.
        state: String,
        /// Language of messages, ISO 639-1.
        language: Option<String>,
        /// Version of the accepted terms.
        terms_version: Option<String>,
        /// Keyed hash of the phone; empty when none was shared.
        phone_hash: Option<String>,
        /// Operator of the phone.
        operator: Option<String>,
        /// Whether reminders and news are wanted.
        notifications: bool,
        /// Banned by an admin.
        banned: bool,
        /// Blocked the bot.
        blocked: bool,
        /// Forgotten at their own wish.
        forgotten: bool,
        /// When the first message arrived.
        created_at: DateTime<Utc>,
        /// Their last own act.
        last_seen: DateTime<Utc>,
    }
    indexes ["(phone_hash) WHERE phone_hash IS NOT NULL", "(last_seen)", "(created_at DESC, user_id DESC)"]
}

tables! {
    /// The table of users.
    UsersRows {
        /// Users.
        users: Rows<UserRow>,
    }
}

/// What the fold takes from an event: an act of a person, a change of an account, or both.
#[derive(Debug)]
pub struct Change {
    seen: Option<UserId>,
    account: Option<(UserId, UserEvent)>,
}

/// The projection `users`.
#[derive(Debug)]
pub struct Users;

impl Fold for Users {
    const NAME: &'static str = "users";
    const VERSION: i64 = 1;
    const NEEDS: Needs = Needs {
        aggregates: &["user"],
        actors: true,
    };
    type Rows = UsersRows;
    type Change = Change;

    fn decode(event: &LogEvent) -> Result<Option<Change>, FoldError> {
        let seen = event.acting_user();
        let account = if event.stream.aggregate_type == "user" {
            Some((event.id()?, event.decode()?))
        } else {
            None
        };
        Ok((seen.is_some() || account.is_some()).then_some(Change { seen, account }))
    }

    fn want(_event: &LogEvent, change: &Change, rows: &mut UsersRows) {
        let account = change.account.as_ref().map(|(user_id, _)| *user_id);
        for user_id in change.seen.into_iter().chain(account) {
            rows.users.want(UserKey { user_id });
        }
    }

    fn fold(event: &LogEvent, change: Change, rows: &mut UsersRows) -> Result<(), FoldError> {
        if let Some((user_id, change)) = change.account {
            account(event, user_id, change, rows)?;
        }
        // Somebody may act before they are registered; there is nothing to note then.
        if let Some(user_id) = change.seen
            && let Some(row) = rows.users.change(&UserKey { user_id })
        {
            row.last_seen = event.recorded_at;
            row.position = event.position;
        }
        Ok(())
    }
}

fn account(
    event: &LogEvent,
    user_id: UserId,
    change: UserEvent,
    rows: &mut UsersRows,
) -> Result<(), FoldError> {
    if let UserEvent::Registered { .. } = change {
        rows.users.put(UserRow {
            user_id,
            state: "registered".to_owned(),
            language: None,
            terms_version: None,
            phone_hash: None,
            operator: None,
            notifications: true,
            banned: false,
            blocked: false,
            forgotten: false,
            created_at: event.recorded_at,
            last_seen: event.recorded_at,
            position: event.position,
        });
        return Ok(());
    }
    let row = rows
        .users
        .change(&UserKey { user_id })
        .ok_or(FoldError::Missing("user"))?;
    row.position = event.position;
    match change {
        UserEvent::Registered { .. } => {}
        UserEvent::TermsAccepted { version, language } => {
            row.terms_version = Some(version);
            row.language
                .get_or_insert_with(|| language.code().to_owned());
        }
        UserEvent::PhoneShared {
            phone_hash,
            operator,
            ..
        } => {
            row.phone_hash = Some(phone_hash);
            row.operator = Some(operator.code().to_owned());
        }
        UserEvent::LanguageChosen { language } => row.language = Some(language.code().to_owned()),
        UserEvent::NotificationsSet { enabled } => row.notifications = enabled,
        UserEvent::Banned { .. } => row.banned = true,
        UserEvent::Unbanned { .. } => row.banned = false,
        UserEvent::BlockedBot {} => row.blocked = true,
        UserEvent::Returned {} => row.blocked = false,
        UserEvent::Forgotten {} => {
            row.language = None;
            row.terms_version = None;
            row.phone_hash = None;
            row.operator = None;
            row.notifications = false;
            row.banned = false;
            row.blocked = false;
            row.forgotten = true;
        }
    }
    let state = if row.forgotten {
        "forgotten"
    } else if row.banned {
        "banned"
    } else if row.blocked {
        "blocked"
    } else if row.terms_version.is_some() {
        "active"
    } else {
        "registered"
    };
    state.clone_into(&mut row.state);
    Ok(())
}
