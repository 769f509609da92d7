//! The tree of handlers: which update is answered by what. Handlers are thin: they issue commands, ask queries and wish for
//! messages.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod callbacks;
pub(crate) mod commands;
pub(crate) mod onboarding;
pub(crate) mod overview;
pub(crate) mod upload;

use std::sync::Arc;

use teloxide::dispatching::{UpdateFilterExt as _, UpdateHandler};
use teloxide::dptree;
use teloxide::types::{Message, Update};

use self::commands::Command;
use self::upload::Attachment;
use crate::texts::key;
use crate::trouble::Trouble;
use crate::turn::Turn;

/// The tree. Its input is an `Update` and the `Arc<Turn>` that was opened for it. Order matters: a command leaves any
/// scenario and stands before everything else; what nothing takes is answered at the end.
pub fn schema() -> UpdateHandler<Trouble> {
    dptree::entry()
        .branch(
            Update::filter_message()
                .branch(dptree::filter_map(command).endpoint(commands::run))
                .branch(dptree::filter_map(contact).endpoint(onboarding::take_contact))
                .branch(dptree::filter_map(attachment).endpoint(upload::take))
                .branch(
                    dptree::filter(|message: Message| message.text().is_some())
                        .endpoint(unexpected_text),
                )
                .endpoint(unexpected_content),
        )
        .branch(Update::filter_callback_query().endpoint(callbacks::pressed))
        .endpoint(|| async { Ok(()) })
}

fn command(message: Message) -> Option<Command> {
    message.text().and_then(Command::parse)
}

fn contact(message: Message) -> Option<teloxide::types::Contact> {
    message.contact().cloned()
}

fn attachment(message: Message) -> Option<Attachment> {
    Attachment::of(&message)
}

async fn unexpected_text(turn: Arc<Turn>) -> Result<(), Trouble> {
    onboarding::remind_or(&turn, key!("text-unexpected")).await
}

async fn unexpected_content(turn: Arc<Turn>, message: Message) -> Result<(), Trouble> {
    // What Telegram itself writes into a chat (a pinned message, say) is nobody's question.
    if matches!(message.kind, teloxide::types::MessageKind::Common(_)) {
        onboarding::remind_or(&turn, key!("content-unexpected")).await
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use teloxide::dptree::di::DependencyMap;
    use teloxide::dptree::{Type, type_check};
    use teloxide::types::Update;

    use super::schema;
    use crate::turn::Turn;

    #[test]
    fn the_real_tree_finds_everything_that_its_handlers_want() {
        let given = [Type::of::<Update>(), Type::of::<Arc<Turn>>()];
        type_check(schema().sig(), &DependencyMap::new(), &given);
    }

    #[test]
    #[should_panic(expected = "Turn")]
    fn a_tree_that_lacks_something_is_found_out() {
        type_check(
            schema().sig(),
            &DependencyMap::new(),
            &[Type::of::<Update>()],
        );
    }
}
