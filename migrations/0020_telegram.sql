-- Talking with people over Telegram: what came in, what should be on their screens, buttons, dialogue state.
--
-- None of it is truth: the log is. It may be lost without losing money. What it must not do is keep people's data: a raw
-- update lives until it is handled, a text until it is delivered, and people are named by their keyed user id.

-- An update from its arrival to the end of its handling; then only the id stays, so that a repeat is known.
-- Repeats are known by the set of ids and not by "greater than the last": after a quiet week Telegram draws a new start.
CREATE TABLE telegram_updates (
    update_id   bigint PRIMARY KEY,
    -- The chat: updates of one chat are handled in order. Gone with the payload.
    order_key   bigint,
    payload     text,
    attempts    int NOT NULL DEFAULT 0,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Not to be claimed before: the lease of whoever handles it, or the pause after a failure.
    next_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    handled_at  timestamptz,
    CHECK ((handled_at IS NULL) = (payload IS NOT NULL)),
    CHECK ((handled_at IS NULL) = (order_key IS NOT NULL))
);
CREATE INDEX telegram_updates_waiting ON telegram_updates (order_key, update_id) WHERE handled_at IS NULL;
CREATE INDEX telegram_updates_handled ON telegram_updates (handled_at) WHERE handled_at IS NOT NULL;

-- A slot is one message on a person's screen. `content` is the wish that is not delivered yet; afterwards only its digest
-- stays, to tell whether a new wish is another one.
CREATE TABLE telegram_messages (
    slot         text PRIMARY KEY CHECK (octet_length(slot) BETWEEN 1 AND 150),
    user_id      uuid NOT NULL,
    content      jsonb,
    digest       text NOT NULL,
    -- Orders the wishes: an older one than the present is ignored.
    as_of        bigint NOT NULL,
    version      bigint NOT NULL DEFAULT 1,
    sent_version bigint NOT NULL DEFAULT 0,
    message_id   int,
    attempts     int NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- First come, first served.
    turn         bigint GENERATED ALWAYS AS IDENTITY,
    CHECK ((sent_version < version) = (content IS NOT NULL))
);
CREATE INDEX telegram_messages_due ON telegram_messages (user_id, turn) WHERE sent_version < version;
CREATE INDEX telegram_messages_idle ON telegram_messages (changed_at);
CREATE INDEX telegram_messages_of_user ON telegram_messages (user_id);

-- When a person may be written to again; `infinity` while they block the bot.
CREATE TABLE telegram_chats (
    user_id uuid PRIMARY KEY,
    next_at timestamptz NOT NULL
);

-- When anybody may be written to again. One row, so that all processes together keep the limit.
CREATE TABLE telegram_pace (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    next_at  timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO telegram_pace DEFAULT VALUES;

-- What a button means, and for whom. The digest makes the same action of a person the same button, so that drawing a
-- message again does not change it.
CREATE TABLE telegram_callbacks (
    token      text PRIMARY KEY,
    user_id    uuid NOT NULL,
    action     text NOT NULL CHECK (octet_length(action) <= 1000),
    digest     text NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (user_id, digest)
);
CREATE INDEX telegram_callbacks_expired ON telegram_callbacks (expires_at);

-- Where a person is in a step-by-step scenario.
CREATE TABLE telegram_dialogues (
    user_id    uuid PRIMARY KEY,
    state      jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
