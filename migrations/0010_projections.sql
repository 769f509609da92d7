-- Which builds of which projection there are, and how far each has folded the log.
--
-- The rows of a read model live in a schema of their own for each build, which the projector makes and drops by itself:
-- they can be built again from the log at any time, so they are no matter of migrations. What stays is here.

CREATE TABLE projection_builds (
    name          text        NOT NULL CHECK (name ~ '^[a-z][a-z_]{0,30}$'),
    build         bigint      NOT NULL CHECK (build > 0),
    -- Version of the fold that fills it.
    version       bigint      NOT NULL CHECK (version > 0),
    schema_name   text        NOT NULL UNIQUE,
    -- building: folded beside the active one until it can take its place. scratch: made for one comparison.
    state         text        NOT NULL CHECK (state IN ('building', 'active', 'retired', 'scratch')),
    -- Position of the last folded event. Changes in the same transaction as the rows, so each event counts exactly once;
    -- its row lock makes a second projector harmless.
    checkpoint    bigint      NOT NULL DEFAULT 0 CHECK (checkpoint >= 0),
    -- When the log took that event.
    checkpoint_at timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    activated_at  timestamptz,
    retired_at    timestamptz,
    PRIMARY KEY (name, build)
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX projection_builds_active ON projection_builds (name) WHERE state = 'active';
CREATE UNIQUE INDEX projection_builds_building ON projection_builds (name) WHERE state = 'building';

-- Events that a build could not fold. While `parked` is false the build stands before the event; a parked event was left
-- out, so the read model lacks it until it is built again.
CREATE TABLE projection_faults (
    name       text        NOT NULL,
    build      bigint      NOT NULL,
    position   bigint      NOT NULL,
    event_type text        NOT NULL,
    reason     text        NOT NULL,
    parked     boolean     NOT NULL,
    attempts   bigint      NOT NULL DEFAULT 1,
    first_at   timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, build, position),
    FOREIGN KEY (name, build) REFERENCES projection_builds ON DELETE CASCADE
);

-- Makes the schema of a build and lets the caller make tables in it. A grant of CREATE on the whole database was the
-- alternative; it would let the application's role make any schema, and is not copied with a template database.
-- The answer is the schema's name. Who may write projection_builds may call it.
CREATE FUNCTION create_projection_schema(projection text, build bigint) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    made   text := format('proj_%s_%s', projection, build);
BEGIN
    IF NOT has_table_privilege(caller, 'public.projection_builds', 'INSERT') THEN
        RAISE EXCEPTION 'only who runs projections may make their schemas' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF projection !~ '^[a-z][a-z_]{0,30}$' OR build <= 0 THEN
        RAISE EXCEPTION 'not a projection and a build' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('CREATE SCHEMA %I', made);
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', made, caller);
    RETURN made;
END
$$;

-- Drops the schema of a build with all its tables. Only schemas that no active build lives in.
CREATE FUNCTION drop_projection_schema(dropped text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
BEGIN
    IF NOT has_table_privilege(caller, 'public.projection_builds', 'DELETE') THEN
        RAISE EXCEPTION 'only who runs projections may drop their schemas' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF dropped !~ '^proj_[a-z][a-z_]{0,30}_[0-9]+$'
       OR EXISTS (SELECT FROM public.projection_builds b WHERE b.schema_name = dropped AND b.state = 'active') THEN
        RAISE EXCEPTION 'not the schema of a projection that could be dropped' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', dropped);
END
$$;
