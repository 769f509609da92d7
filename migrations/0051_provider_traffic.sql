-- What was said to providers of money and what they answered: evidence for disputes, kept for 90 days. Nothing is decided
-- by it. Bodies hold phone numbers and are sealed; logins and passwords are taken out before that.
CREATE TABLE provider_traffic (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text        NOT NULL CHECK (octet_length(provider) <= 40),
    -- The key, the path or the operation that a call was about, where the protocol shows one outside of the body.
    subject  text        NOT NULL CHECK (octet_length(subject) <= 200),
    at       timestamptz NOT NULL,
    -- None: no answer came.
    status   int,
    body     bytea       NOT NULL CHECK (octet_length(body) <= 1200000)
);

CREATE INDEX provider_traffic_at ON provider_traffic (at);
CREATE INDEX provider_traffic_subject ON provider_traffic (subject, at);
