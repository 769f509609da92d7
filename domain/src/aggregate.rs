//! The shape every aggregate shares: a pure decision on top of `cqrs_es::Aggregate`.

use cqrs_es::Aggregate;

use crate::rejection::Rejection;

/// An aggregate whose decisions are a pure function of its state and a command.
///
/// `cqrs_es::Aggregate::handle` of such an aggregate only writes what [`Decide::decide`] answers, so the framework's
/// given/when/then tests and the executor run the same code.
pub trait Decide: Aggregate<Services = (), Error = Rejection> {
    /// The events that follow from a command in this state. An empty list means that the command changes nothing
    /// because what it asks for is so already.
    ///
    /// # Errors
    /// The reason why the command is refused.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Rejection>;

    /// The event that records a refusal, for aggregates that must answer a refused command's repeat with the same
    /// refusal for ever. `None`: the refusal is only answered.
    fn record_refusal(
        &self,
        _command: &Self::Command,
        _rejection: &Rejection,
    ) -> Option<Self::Event> {
        None
    }

    /// The refusal that an event records, if it does.
    fn recorded_refusal(_event: &Self::Event) -> Option<&Rejection> {
        None
    }
}

/// Implements `cqrs_es::Aggregate` and the names of the events for an aggregate with `decide` and an inherent
/// `evolve(&mut self, event)`. `Name @ "2"` says that the event's shape is at its second version.
macro_rules! aggregate {
    ($state:ty, $type:literal, $command:ty, $event:ident { $($variant:ident $(@ $version:literal)?),+ $(,)? }) => {
        impl cqrs_es::Aggregate for $state {
            const TYPE: &'static str = $type;
            type Command = $command;
            type Event = $event;
            type Error = $crate::rejection::Rejection;
            type Services = ();

            async fn handle(
                &mut self,
                command: Self::Command,
                _services: &Self::Services,
                sink: &cqrs_es::event_sink::EventSink<Self>,
            ) -> Result<(), Self::Error> {
                for event in $crate::aggregate::Decide::decide(self, &command)? {
                    sink.write(event, self).await;
                }
                Ok(())
            }

            fn apply(&mut self, event: Self::Event) {
                self.evolve(event);
            }
        }

        $crate::aggregate::event_names!($event { $($variant $(@ $version)?),+ });
    };
}

/// Names and versions of the variants of an event enum; a new variant that is not named here does not compile.
macro_rules! event_names {
    ($event:ident { $($variant:ident $(@ $version:literal)?),+ $(,)? }) => {
        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                match self {
                    $(Self::$variant { .. } => stringify!($variant).to_owned(),)+
                }
            }

            fn event_version(&self) -> String {
                match self {
                    $(Self::$variant { .. } => $crate::aggregate::version!($($version)?).to_owned(),)+
                }
            }
        }

        impl $event {
            /// Names of all events of this aggregate.
            pub const TYPES: &'static [&'static str] = &[$(stringify!($variant)),+];
        }
    };
}

/// An event's version: the one that is named, or the first.
macro_rules! version {
    () => {
        "1"
    };
    ($version:literal) => {
        $version
    };
}

pub(crate) use {aggregate, event_names, version};
