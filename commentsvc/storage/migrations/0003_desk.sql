-- The moderation page; and threads that are made one.

-- Where a thread's comments and names went when it was merged into another.
ALTER TABLE thread ADD COLUMN merged_into TEXT REFERENCES thread (id);

CREATE TABLE session (
    id           TEXT NOT NULL PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    moderator_id TEXT REFERENCES moderator (id),
    key_hash     TEXT,
    created_at   TEXT NOT NULL,
    seen_at      TEXT NOT NULL
);

CREATE INDEX action_undone ON action (undone_by) WHERE undone_by IS NOT NULL;

-- Where it was done on the moderation page.
ALTER TABLE action ADD COLUMN session_id TEXT;
CREATE INDEX action_session ON action (session_id, id) WHERE session_id IS NOT NULL;
