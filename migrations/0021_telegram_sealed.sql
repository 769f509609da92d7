-- Updates rest sealed: they hold phone numbers, names and what people wrote.
--
-- A column of its own, since the sealed form is bytes and the program of the last release still writes `payload` while
-- this one is rolled out. A row in the clear that waits then is handled like any other and leaves nothing behind. The
-- older program cannot read a sealed row; it leaves such a row to the end of its claim. `payload` goes in a later release.
ALTER TABLE telegram_updates
    ADD COLUMN sealed bytea,
    DROP CONSTRAINT telegram_updates_check,
    -- Waiting: exactly one form of it. Handled: none.
    ADD CONSTRAINT telegram_updates_body
        CHECK (num_nonnulls(payload, sealed) = CASE WHEN handled_at IS NULL THEN 1 ELSE 0 END);
