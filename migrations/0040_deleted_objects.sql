-- Objects that were kept as long as they may be and are deleted from the object storage: the retention sweep notes them,
-- so that it does not ask the storage for them again. No read model: those come from events only, and an object that is
-- gone by the calendar is no event. Lost rows cost a needless deletion each and nothing else.
CREATE TABLE deleted_objects (
    key        text        PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 150),
    deleted_at timestamptz NOT NULL
);
