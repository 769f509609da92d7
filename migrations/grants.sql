-- Rights of the application's role. Not a migration: it runs after each migration run and changes nothing when all is
-- already as it says, so a role that was created later gets its rights by the next run.
--
-- kvit_app reads the log, appends by the function, and writes every ordinary table. A table that it may not write must
-- be revoked here.
DO $$
DECLARE
    own text := quote_ident(current_schema());
BEGIN
    -- Several processes may run this at once, and changes of one table's rights do not wait for each other by themselves.
    PERFORM pg_advisory_xact_lock(7018112233);
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kvit_app') THEN
        RETURN;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO kvit_app', own);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO kvit_app', own);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %s TO kvit_app', own);
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON events, event_head FROM kvit_app;
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON _sqlx_migrations FROM kvit_app;
    -- The fence of a lease must never go back.
    REVOKE DELETE ON leases FROM kvit_app;
    -- Checkpoints are only ever added.
    REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON checkpoints FROM kvit_app;
    -- The proof that a person was forgotten stays.
    REVOKE DELETE ON person_keys FROM kvit_app;
    GRANT EXECUTE ON FUNCTION append_events(int[], text[], text[], bigint[], int[], uuid[], text[], text[], text[], text[])
        TO kvit_app;
END
$$;
