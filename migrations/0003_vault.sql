-- Keys that seal personal data. Each person has a data key; it is stored wrapped (encrypted) by the master key, which
-- is never in the database. Forgetting a person destroys the wrapped key; the row stays as the proof of when.
-- A dump that was taken before a person was forgotten still holds the wrapped key: keep dumps no longer than promised.
CREATE TABLE person_keys (
    person       uuid        PRIMARY KEY,
    -- Names this data key inside sealed values. A person who comes back after being forgotten gets another key.
    key_id       text        NOT NULL,
    wrapped      bytea,
    -- Names the master key that wraps it, so that rows can be wrapped anew one by one.
    master_id    text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CONSTRAINT person_keys_destroyed CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE INDEX person_keys_master_id ON person_keys (master_id) WHERE wrapped IS NOT NULL;

-- Keys of the whole installation, wrapped in the same way: `lookup` makes the hashes that personal data is found by, and
-- must outlive every change of the master key.
CREATE TABLE vault_keys (
    name       text        PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    master_id  text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
