//! Commands by name.

use std::sync::Arc;

use crate::handlers::{account, admin, onboarding, overview};
use crate::texts::key;
use crate::trouble::Trouble;
use crate::turn::Turn;

/// The commands that are offered in the menu, in its order.
pub(crate) const LISTED: [&str; 9] = [
    "start",
    "help",
    "balance",
    "history",
    "change_phone",
    "language",
    "notifications",
    "forget",
    "cancel",
];

/// A command as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// Lower case, without the slash and the bot's name.
    pub name: String,
    /// The rest of the line.
    pub rest: String,
}

impl Command {
    /// Reads `/name@bot rest`. Any text that begins with a slash is meant as a command.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().strip_prefix('/')?;
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let name = word.split('@').next().unwrap_or_default().to_lowercase();
        Some(Self {
            name,
            rest: rest.trim().to_owned(),
        })
    }
}

pub(crate) async fn run(turn: Arc<Turn>, command: Command) -> Result<(), Trouble> {
    let turn = turn.as_ref();
    match command.name.as_str() {
        "start" => onboarding::start(turn, &command.rest).await,
        "help" => help(turn).await,
        "language" => account::choose_language(turn).await,
        "cancel" => account::cancel(turn).await,
        "report" if turn.is_admin() => admin::report(turn, &command.rest).await,
        "stats" if turn.is_admin() => admin::stats(turn).await,
        "find" if turn.is_admin() => admin::find(turn, &command.rest).await,
        // What is somebody's own needs the terms first.
        "balance" | "history" | "receipts" | "change_phone" | "notifications" | "forget" => {
            turn.user.may_act()?;
            match command.name.as_str() {
                "balance" => overview::balance(turn).await,
                "change_phone" => onboarding::ask_for_contact(turn, None).await,
                "notifications" => {
                    account::show_notifications(turn, turn.user.notifications_off).await
                }
                "forget" => account::ask_to_forget(turn).await,
                _ => overview::history(turn).await,
            }
        }
        // An administrator's command stays unknown to everybody else.
        name => {
            let shown = format!("/{}", crate::texts::format::cut(name, 32));
            turn.tell(&key!("unknown-command"), &[("command", shown.into())])
                .await
        }
    }
}

async fn help(turn: &Turn) -> Result<(), Trouble> {
    turn.tell(&key!("help"), &[]).await?;
    if turn.is_admin() {
        turn.tell(&key!("help-admin"), &[]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn a_command_is_its_first_word_without_the_bots_name() {
        let parsed = |text| Command::parse(text).map(|command| (command.name, command.rest));
        let pair = |name: &str, rest: &str| Some((name.to_owned(), rest.to_owned()));
        assert_eq!(parsed("/start abc"), pair("start", "abc"));
        assert_eq!(parsed("/Help@kvit_bot"), pair("help", ""));
        assert_eq!(parsed("/report\n20.11.2026 "), pair("report", "20.11.2026"));
        assert_eq!(parsed("/"), pair("", ""));
        assert_eq!(parsed("hello /start"), None);
    }
}
