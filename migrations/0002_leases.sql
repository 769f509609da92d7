-- Leases: at most one owner of a name at a time (the relay, schedulers). The database's clock decides, so that the
-- clocks of the processes need not agree. The fence rises with each change of owner and never goes back, so rows stay
-- when a lease is released.
CREATE TABLE leases (
    name       text        PRIMARY KEY CHECK (name <> ''),
    owner      text        NOT NULL,
    fence      bigint      NOT NULL CHECK (fence > 0),
    expires_at timestamptz NOT NULL
);
