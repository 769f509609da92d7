-- Signed statements about the log: "up to this position the history is this one, and the books add up to that". A chain
-- of hashes shows a change only to somebody who knows a later hash; whoever rules the database could compute the whole
-- chain anew. A signature cannot be computed anew, and a checkpoint that was also kept elsewhere cannot be taken back.
--
-- `body` is what was signed, byte for byte (JSON without spaces); the columns beside it only help to find it. The formats
-- are in docs/audit.md.
CREATE TABLE checkpoints (
    position   bigint PRIMARY KEY CHECK (position > 0),
    body       text   NOT NULL CHECK (octet_length(body) <= 1048576),
    -- SHA-256 of the body of the checkpoint before, zeros for the first. Unique, so that two processes that seal at the
    -- same time cannot both continue the same checkpoint: the history of checkpoints never forks.
    previous   bytea  NOT NULL UNIQUE CHECK (octet_length(previous) = 32),
    public_key bytea  NOT NULL CHECK (octet_length(public_key) = 32),
    signature  bytea  NOT NULL CHECK (octet_length(signature) = 64)
);

COMMENT ON TABLE checkpoints IS 'Signed checkpoints of the event log. Append-only.';

CREATE FUNCTION refuse_checkpoint_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'checkpoints are append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER checkpoints_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_checkpoint_change();
-- Also for sessions that switch ordinary triggers off (session_replication_role = replica).
ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_append_only;
