-- The event log: one append-only table, dense positions in commit order, one hash chain.
--
-- Why one lock for all appends: a position taken from a sequence before commit lets a later position become visible
-- first, and a reader that follows positions then skips the earlier one for ever. Here every append holds the append
-- lock until its commit is visible, so positions are commit order, dense, and nothing can appear behind a reader; a
-- missing number is evidence of damage. The lock is cheap because one call carries the waiting commands of a whole
-- process (see append_events).

DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database must be encoded in UTF8, it is %', current_setting('server_encoding');
    END IF;
END
$$;

-- Columns aggregate_type to metadata keep the names and types of the postgres-es crate's table, so that its stock
-- event repository reads our streams. `json`, not `jsonb`: it keeps the exact bytes, which the hash covers.
CREATE TABLE events (
    position       bigint      NOT NULL CHECK (position > 0),
    event_id       uuid        NOT NULL,
    aggregate_type text        NOT NULL CHECK (aggregate_type <> ''),
    aggregate_id   text        NOT NULL CHECK (aggregate_id <> ''),
    sequence       bigint      NOT NULL CHECK (sequence > 0),
    event_type     text        NOT NULL CHECK (event_type <> ''),
    event_version  text        NOT NULL,
    payload        json        NOT NULL,
    metadata       json        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    hash           bytea       NOT NULL CHECK (octet_length(hash) = 32),
    CONSTRAINT events_pkey PRIMARY KEY (position),
    CONSTRAINT events_event_id_key UNIQUE (event_id),
    CONSTRAINT events_stream_key UNIQUE (aggregate_type, aggregate_id, sequence)
);

COMMENT ON TABLE events IS 'All events of the platform. Append-only; written only by append_events.';

-- Rows are never changed, so an autovacuum is needed only to freeze and to set the visibility map.
ALTER TABLE events SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- The head is the last event, not a row of its own. A counter row that every append updates grows a chain of dead
-- versions that nothing can prune while any transaction in the cluster stays open, and each append walks that chain
-- under the lock. The last entry of the primary key costs the same at any time.
CREATE VIEW event_head AS
    SELECT position, hash, recorded_at FROM events ORDER BY position DESC LIMIT 1;

COMMENT ON VIEW event_head IS 'The last event: its position, hash and time. No row while the log is empty.';

CREATE FUNCTION refuse_event_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER events_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_event_change();
-- Also for sessions that switch ordinary triggers off (session_replication_role = replica).
ALTER TABLE events ENABLE ALWAYS TRIGGER events_append_only;

-- Appends a batch of units; each unit (one decision) is stored whole or refused whole, and a refused unit does not
-- touch its neighbours. One call is one transaction, one round trip and one fsync for the whole batch.
--
-- Arguments, all arrays from 1:
--   slice_*   one entry for each stream that a unit extends: the unit's number (any numbers), the stream, and the
--             sequence of the stream's last event as the decision saw it (0 for none). A stream occurs once in a batch;
--             a second occurrence ends in a unique violation that fails the batch.
--   event_*   one entry for each event, grouped by slice in the order of the slices; event_slice is the slice's index.
-- Result, one row:
--   first_position, first_recorded_at   of the first stored event. The stored events are numbered in the order given,
--                                       refused ones left out, each 1 µs after the one before. Null if none was stored.
--   refused, actual                     indexes of the slices whose stream was not at the expected sequence, and the
--                                       sequences found. Every unit that owns such a slice was refused.
--
-- hash = SHA-256 over these bytes, in this order:
--   the previous event's hash (32 bytes; zeros for the first event)
--   position                 8 bytes, big endian
--   event_id                 16 bytes
--   sequence                 8 bytes, big endian
--   recorded_at              8 bytes, big endian: microseconds since 2000-01-01T00:00:00Z
--   aggregate_type, aggregate_id, event_type, event_version, payload, metadata
--                            each as 4 bytes big endian length and its UTF-8 bytes, exactly as stored
--
-- SECURITY DEFINER, because the application's role may not write the table by any other way. Every name outside
-- pg_catalog is qualified. The planner settings pin index lookups: the plan is cached when the table may still be empty.
CREATE FUNCTION append_events(
    slice_unit     int[],
    slice_type     text[],
    slice_id       text[],
    slice_expected bigint[],
    event_slice    int[],
    event_ids      uuid[],
    event_types    text[],
    event_versions text[],
    event_payload  text[],
    event_metadata text[],
    OUT first_position    bigint,
    OUT first_recorded_at timestamptz,
    OUT refused           int[],
    OUT actual            bigint[]
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    last_position bigint;
    last_hash     bytea;
    last_time     timestamptz;
    refused_units int[];
    -- Of the stored events, in order: index among the events given, sequence, hash.
    kept          int[];
    sequences     bigint[];
    hashes        bytea[];
    count         int := 0;
    slice         int;
    sequence      bigint;
    stored        boolean;
    stream_bytes  bytea;
BEGIN
    IF cardinality(event_ids) = 0
       OR cardinality(event_ids) <> ANY (ARRAY[cardinality(event_slice), cardinality(event_types), cardinality(event_versions),
                                               cardinality(event_payload), cardinality(event_metadata)])
    THEN
        RAISE EXCEPTION 'append_events needs event arrays of one length, at least 1'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- Held until the commit is visible. The number is arbitrary and used for nothing else.
    PERFORM pg_advisory_xact_lock(7236120415301);

    -- Statements from here on have a fresh snapshot: they see everything that was committed before the lock was ours.
    SELECT e.position, e.hash, e.recorded_at INTO last_position, last_hash, last_time
      FROM public.events e ORDER BY e.position DESC LIMIT 1;
    IF NOT FOUND THEN
        last_position := 0;
        last_hash := '\x0000000000000000000000000000000000000000000000000000000000000000';
        last_time := '-infinity';
    END IF;

    SELECT array_agg(s.n::int), array_agg(s.found), array_agg(s.unit) INTO refused, actual, refused_units
      FROM (SELECT w.n, w.unit, w.expected,
                   coalesce((SELECT e.sequence FROM public.events e
                              WHERE e.aggregate_type = w.type AND e.aggregate_id = w.id
                              ORDER BY e.sequence DESC LIMIT 1), 0) AS found
              FROM unnest(slice_unit, slice_type, slice_id, slice_expected) WITH ORDINALITY AS w (unit, type, id, expected, n)
           ) s
     WHERE s.found <> s.expected;

    last_time := greatest(clock_timestamp(), last_time + interval '1 microsecond') - interval '1 microsecond';
    FOR i IN 1 .. cardinality(event_ids) LOOP
        IF event_slice[i] IS DISTINCT FROM slice THEN
            slice := event_slice[i];
            sequence := slice_expected[slice];
            stored := refused_units IS NULL OR NOT slice_unit[slice] = ANY (refused_units);
            stream_bytes := int4send(octet_length(slice_type[slice])) || convert_to(slice_type[slice], 'UTF8')
                         || int4send(octet_length(slice_id[slice])) || convert_to(slice_id[slice], 'UTF8');
        END IF;
        IF stored THEN
            sequence := sequence + 1;
            last_position := last_position + 1;
            last_time := last_time + interval '1 microsecond';
            last_hash := sha256(last_hash || int8send(last_position) || uuid_send(event_ids[i]) || int8send(sequence)
                || timestamptz_send(last_time) || stream_bytes
                || int4send(octet_length(event_types[i])) || convert_to(event_types[i], 'UTF8')
                || int4send(octet_length(event_versions[i])) || convert_to(event_versions[i], 'UTF8')
                || int4send(octet_length(event_payload[i])) || convert_to(event_payload[i], 'UTF8')
                || int4send(octet_length(event_metadata[i])) || convert_to(event_metadata[i], 'UTF8'));
            count := count + 1;
            kept[count] := i;
            sequences[count] := sequence;
            hashes[count] := last_hash;
            IF count = 1 THEN
                first_position := last_position;
                first_recorded_at := last_time;
            END IF;
        END IF;
    END LOOP;

    -- Subscripts instead of one unnest over all arrays, which would fill a store of its own for each of them.
    INSERT INTO public.events (position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                               event_version, payload, metadata, recorded_at, hash)
    SELECT first_position + n - 1, event_ids[kept[n]], slice_type[event_slice[kept[n]]],
           slice_id[event_slice[kept[n]]], sequences[n], event_types[kept[n]], event_versions[kept[n]],
           event_payload[kept[n]]::json, event_metadata[kept[n]]::json,
           first_recorded_at + (n - 1) * interval '1 microsecond', hashes[n]
      FROM generate_series(1, count) AS n;
END
$$;

REVOKE ALL ON FUNCTION append_events(int[], text[], text[], bigint[], int[], uuid[], text[], text[], text[], text[])
    FROM PUBLIC;
