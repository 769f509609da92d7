-- API keys. Only a hash of the secret is here; a dump gives nobody access.
CREATE TABLE api_keys (
    -- The public part of the key, random.
    id            text        PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
    -- SHA-256 of 256 random bits. A slow password hash would cost time at each request and protect nothing more.
    secret_sha256 bytea       NOT NULL CHECK (octet_length(secret_sha256) = 32),
    name          text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    scopes        text[]      NOT NULL CHECK (cardinality(scopes) >= 1),
    per_minute    int         NOT NULL CHECK (per_minute BETWEEN 1 AND 100000),
    created_by    text        NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    -- To the minute, so that a busy key does not write a row version at each request.
    last_used_at  timestamptz,
    revoked_at    timestamptz,
    revoked_by    text,
    revoke_reason text,
    -- Keys are ended, never deleted: their ids stand as actors in the log.
    CONSTRAINT api_keys_revocation CHECK (
        (revoked_at IS NULL) = (revoked_by IS NULL) AND (revoked_at IS NULL) = (revoke_reason IS NULL)
    )
);

COMMENT ON TABLE api_keys IS 'Who may call the HTTP interface. Ended keys stay.';
