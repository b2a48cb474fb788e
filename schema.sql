-- The whole schema, the same for SQLite and PostgreSQL.
--
-- Ids are UUIDv7 text, created by the service and never reused. Times are UTC text of fixed width,
-- 2026-11-22T16:02:11.000Z. Both sort as text. A time column (…_at) is NULL if the event has not happened.
-- A seq column (INTEGER PRIMARY KEY; on PostgreSQL an identity column) is numbered by the database: "latest" means the
-- highest seq, never the highest id or time, since those come from the clocks of several servers.
-- commentsvc/storage/migrations/ brings older databases to exactly this schema; a test compares the two.

-- The steps of commentsvc/storage/migrations/ that have been applied.
CREATE TABLE IF NOT EXISTS schema_step (
    number     BIGINT NOT NULL PRIMARY KEY,
    applied_at TEXT   NOT NULL
);

-- One row: the fingerprint of the secret key that this database is encrypted with, and the state of the audit log.
CREATE TABLE installation (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    fingerprint TEXT   NOT NULL,
    created_at  TEXT   NOT NULL,
    audited     BIGINT NOT NULL DEFAULT 0,   -- number of rows in the audit log
    audit_hash  TEXT   NOT NULL DEFAULT '',  -- hash of its newest row
    probe       TEXT   NOT NULL DEFAULT ''   -- when a health check last wrote here
);

-- Secret keys that an operator declared lost. What they encrypt is kept, and is read again if a key is found.
CREATE TABLE lost_key (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    lost_at     TEXT NOT NULL
);

-- Running servers. Each renews its row every half minute, and deletes it when it stops.
CREATE TABLE server (
    id          TEXT NOT NULL PRIMARY KEY,
    secret_keys TEXT NOT NULL,  -- fingerprints of the keys it knows, newest first, separated by spaces
    started_at  TEXT NOT NULL,
    seen_at     TEXT NOT NULL
);

-- A blog.
CREATE TABLE site (
    id                TEXT   NOT NULL PRIMARY KEY,
    name              TEXT   NOT NULL UNIQUE,
    created_at        TEXT   NOT NULL,
    mode              TEXT,                       -- moderation mode; NULL: the mode in the settings
    rules_version     BIGINT NOT NULL DEFAULT 0,  -- random; set whenever a rule for this site changes
    closes_after_days BIGINT,                     -- copied from its rules, since readers cannot read them
    earlier_names     TEXT   NOT NULL DEFAULT '', -- separated by line breaks; they still find the site
    email_required    BIGINT NOT NULL DEFAULT 1   -- 0: commenters may leave out their email address
);

-- The origins of a blog's pages: scheme://host[:port]. Only pages of these origins may post comments.
CREATE TABLE site_origin (
    origin  TEXT NOT NULL PRIMARY KEY,
    site_id TEXT NOT NULL REFERENCES site (id)
);

CREATE INDEX site_origin_site ON site_origin (site_id);

-- The discussion of one page. Nothing of it is public before published_at, the time of its first approval.
CREATE TABLE thread (
    id           TEXT   NOT NULL PRIMARY KEY,
    site_id      TEXT   NOT NULL REFERENCES site (id),
    key          TEXT   NOT NULL,            -- its current name; thread_name has all names it ever had
    url          TEXT,
    title        TEXT,
    words        TEXT   NOT NULL,            -- title and key as searches read them
    approved     BIGINT NOT NULL DEFAULT 0,  -- number of approved comments
    last_seq     BIGINT NOT NULL DEFAULT 0,  -- number of its newest comment
    version      BIGINT NOT NULL DEFAULT 0,  -- increases whenever its public content changes
    created_at   TEXT   NOT NULL,
    published_at TEXT,
    closed_at    TEXT,
    open_until   TEXT,                       -- until then closing_age rules do not apply
    mode         TEXT,                       -- moderation mode; NULL: the mode of its site
    pending      BIGINT NOT NULL DEFAULT 0,  -- numbers of comments by status, without erased ones
    spam         BIGINT NOT NULL DEFAULT 0,
    trash        BIGINT NOT NULL DEFAULT 0,
    reported     BIGINT NOT NULL DEFAULT 0,  -- number of comments with open reports
    merged_into  TEXT   REFERENCES thread (id)  -- the thread that now has its comments and names
);

CREATE INDEX thread_site ON thread (site_id, id);

CREATE TABLE thread_name (
    site_id   TEXT NOT NULL REFERENCES site (id),
    name      TEXT NOT NULL,
    thread_id TEXT NOT NULL REFERENCES thread (id),
    PRIMARY KEY (site_id, name)
);

CREATE INDEX thread_name_thread ON thread_name (thread_id);

CREATE TABLE moderator (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    email_sealed TEXT,
    email_digest TEXT,
    created_at   TEXT NOT NULL,
    removed_at   TEXT
);

-- The sites of a moderator. No row means all sites.
CREATE TABLE moderator_site (
    moderator_id TEXT NOT NULL REFERENCES moderator (id),
    site_id      TEXT NOT NULL REFERENCES site (id),
    PRIMARY KEY (moderator_id, site_id)
);

-- A one-time sign-in link of a moderator.
CREATE TABLE invitation (
    token_hash   TEXT NOT NULL PRIMARY KEY,
    moderator_id TEXT NOT NULL REFERENCES moderator (id),
    created_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    used_at      TEXT
);

-- A session on the moderation page, of a moderator or of a key. The token itself is only in the browser's cookie.
CREATE TABLE session (
    id           TEXT NOT NULL PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    moderator_id TEXT REFERENCES moderator (id),
    key_hash     TEXT,
    created_at   TEXT NOT NULL,
    seen_at      TEXT NOT NULL
);

-- An API key. The key itself is shown once and not stored.
CREATE TABLE api_key (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    key_hash     TEXT NOT NULL UNIQUE,
    scopes       TEXT NOT NULL,              -- separated by spaces
    site_id      TEXT REFERENCES site (id),  -- NULL: all sites, or all of the moderator
    moderator_id TEXT REFERENCES moderator (id),
    actor_kind   TEXT NOT NULL,              -- person or program: whether its decisions count as a person's
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT,
    revoked_at   TEXT,
    old_hash     TEXT UNIQUE,                -- of the secret before the last rotation
    old_until    TEXT                        -- when that secret ends
);

CREATE TABLE comment (
    id             TEXT   NOT NULL PRIMARY KEY,
    site_id        TEXT   NOT NULL REFERENCES site (id),
    thread_id      TEXT   NOT NULL REFERENCES thread (id),
    parent_id      TEXT   REFERENCES comment (id),
    author_id      TEXT   NOT NULL,            -- the same for comments with the same author token
    moderator_id   TEXT   REFERENCES moderator (id),
    depth          BIGINT NOT NULL,            -- 0 for a top-level comment
    path           TEXT   NOT NULL,            -- six hex digits per level: sorts depth first
    top            TEXT   NOT NULL,            -- the first six digits of path
    name           TEXT   NOT NULL,
    website        TEXT,
    page_url       TEXT,                       -- of the page it was sent from; the thread copies both
    page_title     TEXT,                       -- from its first approved comment
    text           TEXT   NOT NULL,            -- Markdown source
    html           TEXT   NOT NULL,            -- rendered and sanitised
    text_digest    TEXT   NOT NULL,            -- finds comments with the same text
    status         TEXT   NOT NULL CHECK (status IN ('pending', 'approved', 'spam', 'trash')),
    status_before  TEXT   CHECK (status_before IN ('pending', 'approved')),
    note           TEXT,                       -- for moderators only
    version        BIGINT NOT NULL DEFAULT 1,  -- increases with every decision and edit
    listed_replies BIGINT NOT NULL DEFAULT 0,  -- number of replies in the public listing
    created_at     TEXT   NOT NULL,
    edited_at      TEXT,
    published_at   TEXT,                       -- when it first became public
    listed_at      TEXT,                       -- since when it is in the public listing, also as a tombstone
    erased_at      TEXT,
    reports        BIGINT NOT NULL DEFAULT 0,  -- open reports by readers
    UNIQUE (thread_id, path)
);

CREATE INDEX comment_listed ON comment (thread_id, path) WHERE listed_at IS NOT NULL;
CREATE INDEX comment_listed_newest ON comment (thread_id, top DESC, path) WHERE listed_at IS NOT NULL;
CREATE INDEX comment_listed_flat ON comment (thread_id, id) WHERE listed_at IS NOT NULL;
CREATE INDEX comment_queue ON comment (status, id);
CREATE INDEX comment_site ON comment (site_id, status, id);
CREATE INDEX comment_thread ON comment (thread_id, id);
CREATE INDEX comment_parent ON comment (parent_id);
CREATE INDEX comment_author ON comment (author_id);
CREATE INDEX comment_same_text ON comment (text_digest, status, site_id);
CREATE INDEX comment_reported ON comment (id) WHERE reports > 0;

-- The text that searches read: a comment's text, folded, in a table of its own.
CREATE TABLE comment_search (
    comment_id TEXT NOT NULL PRIMARY KEY REFERENCES comment (id),
    status     TEXT NOT NULL,            -- of the comment
    words      TEXT NOT NULL,            -- name, source and visible text
    reasons    TEXT NOT NULL DEFAULT ''  -- of the latest decision and its verdicts, with rule names
);

CREATE INDEX comment_search_status ON comment_search (status, comment_id);

-- The private data of a comment's author. Only commentsvc/storage/contacts.py names this table, and the connections
-- that serve readers cannot read it.
CREATE TABLE contact (
    comment_id     TEXT NOT NULL PRIMARY KEY REFERENCES comment (id),
    email_sealed   TEXT,           -- encrypted; the key is not in this database; NULL if none was given
    email_digest   TEXT,           -- keyed: finds the same address without decryption
    network        TEXT,           -- /24 (IPv4) or /64 (IPv6), shown to moderators
    network_digest TEXT,           -- keyed: recognises the full address
    agent          TEXT,
    created_at     TEXT NOT NULL,
    site_id        TEXT NOT NULL REFERENCES site (id),
    status         TEXT NOT NULL   -- of the comment; copied so that counts read one table
);

CREATE INDEX contact_email ON contact (email_digest, status, comment_id, site_id);
CREATE INDEX contact_network ON contact (network, status, comment_id, site_id);
CREATE INDEX contact_recent ON contact (network, created_at);
CREATE INDEX contact_created ON contact (created_at) WHERE network IS NOT NULL;

-- All decisions on comments, by rules and people. Rows are only added.
CREATE TABLE decision (
    seq         INTEGER PRIMARY KEY,  -- from the database: the latest decision is the one with the highest number
    comment_id  TEXT NOT NULL REFERENCES comment (id),
    action_id   TEXT,
    status      TEXT NOT NULL,
    actor_kind  TEXT NOT NULL,
    actor_id    TEXT,
    actor_name  TEXT NOT NULL,
    reason_code TEXT,                 -- a rule's reason; its text is made when it is shown
    reason_args TEXT,                 -- the values in the text: JSON
    note        TEXT,                 -- a person's reason
    verdicts    TEXT,                 -- of other rules that matched: JSON
    created_at  TEXT NOT NULL
);

CREATE INDEX decision_comment ON decision (comment_id, seq);

-- Moderators' rules: bans, word lists, limits. Removed rules are kept for a while, so that removing can be undone.
CREATE TABLE rule (
    id           TEXT   NOT NULL PRIMARY KEY,
    site_id      TEXT   REFERENCES site (id),  -- NULL: all sites
    kind         TEXT   NOT NULL,
    matching     TEXT   NOT NULL,              -- what it matches; empty for an email ban
    email_sealed TEXT,                         -- the banned address, as in contact
    email_digest TEXT,
    effect       TEXT   NOT NULL,
    note         TEXT,
    version      BIGINT NOT NULL DEFAULT 1,
    created_at   TEXT   NOT NULL,
    expires_at   TEXT,
    removed_at   TEXT
);

CREATE INDEX rule_site ON rule (site_id) WHERE removed_at IS NULL;

-- A comment's name and text at an earlier version, and the actor who changed them.
CREATE TABLE revision (
    comment_id TEXT   NOT NULL REFERENCES comment (id),
    version    BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    text       TEXT   NOT NULL,
    html       TEXT   NOT NULL,
    text_digest TEXT  NOT NULL,
    actor_kind  TEXT   NOT NULL,
    actor_id    TEXT,
    actor_name  TEXT   NOT NULL,
    created_at  TEXT   NOT NULL,
    PRIMARY KEY (comment_id, version)
);

-- An action of a moderator, on one or many comments or on another thing. It is undone as a whole.
CREATE TABLE action (
    seq        INTEGER PRIMARY KEY,  -- from the database: the latest action has the highest number
    id         TEXT NOT NULL UNIQUE,
    verb       TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT,
    actor_name TEXT NOT NULL,
    note       TEXT,
    created_at TEXT NOT NULL,
    undone_by  TEXT REFERENCES action (id),
    subject    TEXT,  -- thread:…, rule:… or site:…, if it did not change comments
    was        TEXT,  -- the subject before and after: JSON
    became     TEXT,
    session_id TEXT,  -- session of the moderation page, if any
    state      TEXT NOT NULL DEFAULT 'done' CHECK (state IN ('running', 'done')),
    progress   BIGINT NOT NULL DEFAULT 0  -- of a running action: how many of its targets are done
);

CREATE INDEX action_running ON action (seq) WHERE state = 'running';

CREATE INDEX action_session ON action (session_id, seq) WHERE session_id IS NOT NULL;
CREATE INDEX action_undone ON action (undone_by) WHERE undone_by IS NOT NULL;

CREATE TABLE action_item (
    action_id    TEXT   NOT NULL REFERENCES action (id),
    comment_id   TEXT   NOT NULL REFERENCES comment (id),
    from_status  TEXT   NOT NULL,
    to_status    TEXT   NOT NULL,
    from_version BIGINT NOT NULL,
    to_version   BIGINT NOT NULL,
    from_before  TEXT,  -- the comment's status_before
    from_note    TEXT,
    PRIMARY KEY (action_id, comment_id)
);

-- Comments that a running action has still to work on, and the version each had when it was started.
CREATE TABLE action_target (
    action_id TEXT NOT NULL PRIMARY KEY REFERENCES action (id),
    targets   TEXT NOT NULL  -- JSON: [[comment id, version when the action was started], …], in order
);

CREATE INDEX action_item_comment ON action_item (comment_id, action_id);

-- Submission ids (idempotency keys), so that a retry gets the same response.
CREATE TABLE submission (
    site_id     TEXT   NOT NULL REFERENCES site (id),
    name        TEXT   NOT NULL,
    body_digest TEXT   NOT NULL,
    comment_id  TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    created_at  TEXT   NOT NULL,
    PRIMARY KEY (site_id, name)
);

CREATE INDEX submission_created ON submission (created_at);

-- Digests of recent comments: the same text, name, thread and parent within a day is a duplicate.
CREATE TABLE recent_text (
    digest     TEXT NOT NULL PRIMARY KEY,
    comment_id TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE INDEX recent_text_comment ON recent_text (comment_id);
CREATE INDEX recent_text_created ON recent_text (created_at);

-- Rate limits by network: the time at which the whole allowance is available again.
CREATE TABLE rate_limit (
    network_digest TEXT NOT NULL PRIMARY KEY,
    available_at   TEXT NOT NULL
);

-- A reader's report of a comment.
CREATE TABLE report (
    comment_id    TEXT NOT NULL REFERENCES comment (id),
    reader_digest TEXT NOT NULL,  -- keyed digest of the network; changes with the retention period
    reason        TEXT,
    created_at    TEXT NOT NULL,
    settled_at    TEXT,           -- when a person decided on the comment
    settled_by    TEXT,           -- the action that did so
    PRIMARY KEY (comment_id, reader_digest)
);

-- Used form tokens and proofs of work. Each is valid once.
CREATE TABLE used_token (
    name    TEXT NOT NULL PRIMARY KEY,
    used_at TEXT NOT NULL
);

CREATE INDEX used_token_used ON used_token (used_at);

-- The audit log. Rows are only added, and each has the hash of the one before.
CREATE TABLE audit (
    seq        BIGINT NOT NULL PRIMARY KEY,
    created_at TEXT   NOT NULL,
    actor_kind TEXT   NOT NULL,
    actor_id   TEXT,
    actor_name TEXT   NOT NULL,
    verb       TEXT   NOT NULL,
    site_id    TEXT,
    body       TEXT   NOT NULL,  -- ids, statuses and versions, never texts: JSON
    previous   TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    salt       TEXT,             -- for the note's digest in the body; erased with the note
    note       TEXT
);

CREATE INDEX audit_site ON audit (site_id, seq);
-- The action in the body of each entry with a note: erasing a comment finds the notes about it.
CREATE INDEX audit_noted ON audit (SUBSTR(body, 12, 36)) WHERE note IS NOT NULL;
