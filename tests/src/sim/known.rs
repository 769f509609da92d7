//! Faults of the product that the simulation has found. One that is not mended yet is tolerated here and nowhere else; whoever
//! mends it sets its line to `false`, and from then on every run demands it.

/// What is tolerated.
pub struct Known {
    /// The repeat of a decision over several streams answers the position of the first stream's event, which can lie before
    /// the end of its append.
    pub repeat_answers_an_earlier_position: bool,
    /// The repeat of a proposed correction on another day is refused as another body: the day is a part of it.
    pub repeat_of_a_proposal_on_another_day: bool,
    /// A notification is set aside for ever when the one answer about it speaks of something else, or when what it is about is
    /// not known here yet: refunds whose payment is still on its way, payouts taken back, a page that was paid twice.
    pub notification_is_looked_at_once: bool,
    /// While a provider is away each open payment is tried every quarter of a minute, however old it is.
    pub payments_are_asked_at_one_pace: bool,
}

/// The faults that are open: none.
pub const OPEN: Known = Known {
    repeat_answers_an_earlier_position: false,
    repeat_of_a_proposal_on_another_day: false,
    notification_is_looked_at_once: false,
    payments_are_asked_at_one_pace: false,
};
