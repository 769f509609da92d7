-- What providers send by themselves, as it came: evidence, and a hint to ask them. No money moves because of a row here.
CREATE TABLE notifications (
    provider     text        NOT NULL,
    -- SHA-256 of the body. The same bytes again are the same notification; providers repeat until they get a 200.
    digest       bytea       NOT NULL CHECK (octet_length(digest) = 32),
    content_type text        NOT NULL,
    -- Sealed by the vault: bodies hold phone numbers.
    body         bytea       NOT NULL CHECK (octet_length(body) <= 70000),
    received_at  timestamptz NOT NULL,
    copies       int         NOT NULL DEFAULT 1,
    followed_up  timestamptz,
    PRIMARY KEY (provider, digest)
);

-- For those that nobody has followed up: few rows, oldest first.
CREATE INDEX notifications_pending ON notifications (provider, received_at) WHERE followed_up IS NULL;
