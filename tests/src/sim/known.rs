//! Faults of the product that the simulation has found and that are not mended yet. Each one is tolerated here and nowhere
//! else; whoever mends it sets its line to `false`, and from then on every run demands it.

/// What is tolerated.
pub struct Known {
    /// A payout of unknown outcome that would be paid again while its provider is stopped is not asked about any more: its
    /// event counts as handled. The staff finds it and looks at the provider's books.
    pub unknown_is_forgotten_while_stopped: bool,
    /// A payment that is set aside before anybody has paid is not looked at any more when somebody pays after all: the money
    /// is at the provider and in no account.
    pub set_aside_before_money: bool,
    /// The repeat of a decision over several streams answers the position of the first stream's event, which can lie before
    /// the end of its append.
    pub repeat_answers_an_earlier_position: bool,
}

/// The faults that are open.
pub const OPEN: Known = Known {
    unknown_is_forgotten_while_stopped: false,
    set_aside_before_money: true,
    repeat_answers_an_earlier_position: true,
};
