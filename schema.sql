-- The whole database, for SQLite and PostgreSQL alike.
--
-- Ids are UUIDv7 text, made by the service and never used twice. Times are UTC text of fixed width,
-- 2026-11-22T16:02:11.000Z. Both sort as text. What happened has a time (…_at); what did not is NULL.
-- A seq column (INTEGER PRIMARY KEY; on PostgreSQL an identity column) is numbered by the database: "latest" means the
-- highest seq, never the highest id or time, since those come from the clocks of several servers.
-- commentsvc/storage/migrations/ brings older databases to exactly this; a test compares the two.

-- Which steps of store/migrations/ have been taken.
CREATE TABLE IF NOT EXISTS schema_step (
    number     BIGINT NOT NULL PRIMARY KEY,
    applied_at TEXT   NOT NULL
);

-- One row: which secret key this database is sealed with, by fingerprint.
CREATE TABLE installation (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    fingerprint TEXT   NOT NULL,
    created_at  TEXT   NOT NULL,
    audited     BIGINT NOT NULL DEFAULT 0,   -- how many rows the audit log has
    audit_hash  TEXT   NOT NULL DEFAULT ''   -- of its newest row
);

-- One blog.
CREATE TABLE site (
    id                TEXT   NOT NULL PRIMARY KEY,
    name              TEXT   NOT NULL UNIQUE,
    created_at        TEXT   NOT NULL,
    mode              TEXT,                       -- who is held; NULL: as the setting says
    rules_version     BIGINT NOT NULL DEFAULT 0,  -- another one whenever a rule of it changes
    closes_after_days BIGINT                      -- what its rules say of old threads, for readers
);

-- Where a blog's pages live: scheme://host[:port]. A browser may post from here, and only from here.
CREATE TABLE site_origin (
    origin  TEXT NOT NULL PRIMARY KEY,
    site_id TEXT NOT NULL REFERENCES site (id)
);

CREATE INDEX site_origin_site ON site_origin (site_id);

-- One page's discussion. Nothing of it is public before published_at, its first approval.
CREATE TABLE thread (
    id           TEXT   NOT NULL PRIMARY KEY,
    site_id      TEXT   NOT NULL REFERENCES site (id),
    key          TEXT   NOT NULL,            -- its present name; thread_name holds every name it ever had
    url          TEXT,
    title        TEXT,
    approved     BIGINT NOT NULL DEFAULT 0,  -- how many of its comments are approved
    last_seq     BIGINT NOT NULL DEFAULT 0,  -- the number its newest comment got
    version      BIGINT NOT NULL DEFAULT 0,  -- grows whenever a public byte of it changes
    created_at   TEXT   NOT NULL,
    published_at TEXT,
    closed_at    TEXT,
    mode         TEXT,                       -- who is held; NULL: as its site says
    pending      BIGINT NOT NULL DEFAULT 0,  -- how many of its comments stand there, erased ones left out
    spam         BIGINT NOT NULL DEFAULT 0,
    trash        BIGINT NOT NULL DEFAULT 0,
    reported     BIGINT NOT NULL DEFAULT 0,  -- how many of its comments have reports that nobody has looked at
    merged_into  TEXT   REFERENCES thread (id)  -- where its comments and names went; of this one nothing is left
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

-- The sites a moderator reads; none at all means every site.
CREATE TABLE moderator_site (
    moderator_id TEXT NOT NULL REFERENCES moderator (id),
    site_id      TEXT NOT NULL REFERENCES site (id),
    PRIMARY KEY (moderator_id, site_id)
);

-- A one-time link by which a moderator signs in.
CREATE TABLE invitation (
    token_hash   TEXT NOT NULL PRIMARY KEY,
    moderator_id TEXT NOT NULL REFERENCES moderator (id),
    created_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    used_at      TEXT
);

-- Somebody who is signed in to the moderation page: a moderator, or whoever holds a key. The token that their
-- browser keeps is kept nowhere else.
CREATE TABLE session (
    id           TEXT NOT NULL PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    moderator_id TEXT REFERENCES moderator (id),
    key_hash     TEXT,
    created_at   TEXT NOT NULL,
    seen_at      TEXT NOT NULL
);

-- An API key. The key itself is shown once and kept nowhere.
CREATE TABLE api_key (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    key_hash     TEXT NOT NULL UNIQUE,
    scopes       TEXT NOT NULL,              -- space separated
    site_id      TEXT REFERENCES site (id),  -- NULL: every site
    moderator_id TEXT REFERENCES moderator (id),
    actor_kind   TEXT NOT NULL,              -- person or program: whether its decisions count as a person's
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT,
    revoked_at   TEXT
);

CREATE TABLE comment (
    id             TEXT   NOT NULL PRIMARY KEY,
    site_id        TEXT   NOT NULL REFERENCES site (id),
    thread_id      TEXT   NOT NULL REFERENCES thread (id),
    parent_id      TEXT   REFERENCES comment (id),
    author_id      TEXT   NOT NULL,            -- shared by comments whose writers proved to be the same
    moderator_id   TEXT   REFERENCES moderator (id),
    depth          BIGINT NOT NULL,            -- 0 for a comment that answers none
    path           TEXT   NOT NULL,            -- six hex digits a level: sorting by it walks the tree depth first
    top            TEXT   NOT NULL,            -- the first six digits of path
    name           TEXT   NOT NULL,
    website        TEXT,
    page_url       TEXT,                       -- what its writer's page called itself; the thread takes both
    page_title     TEXT,                       -- from the first of its comments that is approved
    text           TEXT   NOT NULL,            -- as it was written
    html           TEXT   NOT NULL,            -- as it is shown
    text_digest    TEXT   NOT NULL,            -- finds the same text elsewhere
    status         TEXT   NOT NULL CHECK (status IN ('pending', 'approved', 'spam', 'trash')),
    status_before  TEXT   CHECK (status_before IN ('pending', 'approved')),
    note           TEXT,                       -- moderators' own
    version        BIGINT NOT NULL DEFAULT 1,  -- grows with every decision and edit
    listed_replies BIGINT NOT NULL DEFAULT 0,  -- replies that stand in the public listing
    created_at     TEXT   NOT NULL,
    edited_at      TEXT,
    published_at   TEXT,                       -- when it was first public
    listed_at      TEXT,                       -- since when it stands in the public listing: itself or as a tombstone
    erased_at      TEXT,
    reports        BIGINT NOT NULL DEFAULT 0,  -- of readers, since a person last decided
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

-- A comment once more, in lower case and apart from all else: whoever searches reads no more than that.
CREATE TABLE comment_search (
    comment_id TEXT NOT NULL PRIMARY KEY REFERENCES comment (id),
    status     TEXT NOT NULL,            -- its comment's
    words      TEXT NOT NULL,            -- name and text
    reasons    TEXT NOT NULL DEFAULT ''  -- the latest decision's and its verdicts', with the names of their rules
);

CREATE INDEX comment_search_status ON comment_search (status, comment_id);

-- What is private of a comment's writer. Only commentsvc/store/contacts.py names this table, and the
-- connections that serve readers cannot read it.
CREATE TABLE contact (
    comment_id     TEXT NOT NULL PRIMARY KEY REFERENCES comment (id),
    email_sealed   TEXT NOT NULL,  -- encrypted with a key that is not in this database
    email_digest   TEXT NOT NULL,  -- keyed: finds the same address without reading it
    network        TEXT,           -- /24 or /64: what moderators see
    network_digest TEXT,           -- keyed: recognises the full address
    agent          TEXT,
    created_at     TEXT NOT NULL,
    site_id        TEXT NOT NULL REFERENCES site (id),
    status         TEXT NOT NULL   -- its comment's, here too so that counting needs no second table
);

CREATE INDEX contact_email ON contact (email_digest, status, comment_id, site_id);
CREATE INDEX contact_network ON contact (network, status, comment_id, site_id);
CREATE INDEX contact_recent ON contact (network, created_at);
CREATE INDEX contact_created ON contact (created_at) WHERE network IS NOT NULL;

-- Every judgement ever passed on a comment, by a rule or a person. Rows are only added.
CREATE TABLE decision (
    seq         INTEGER PRIMARY KEY,  -- from the database: the latest decision is the one with the highest number
    comment_id  TEXT NOT NULL REFERENCES comment (id),
    action_id   TEXT,
    status      TEXT NOT NULL,
    actor_kind  TEXT NOT NULL,
    actor_id    TEXT,
    actor_name  TEXT NOT NULL,
    reason_code TEXT,                 -- why, as a code; it is worded when it is shown
    reason_args TEXT,                 -- what the wording needs: JSON
    note        TEXT,                 -- why, in a person's words
    verdicts    TEXT,                 -- of the rules that matched too but did not decide: JSON
    created_at  TEXT NOT NULL
);

CREATE INDEX decision_comment ON decision (comment_id, seq);

-- What a moderator wants of comments: bans, words, limits. Removed ones stay, so that removing can be undone.
CREATE TABLE rule (
    id           TEXT   NOT NULL PRIMARY KEY,
    site_id      TEXT   REFERENCES site (id),  -- NULL: every site
    kind         TEXT   NOT NULL,
    matching     TEXT   NOT NULL,              -- what it looks for; of an email ban, nothing
    email_sealed TEXT,                         -- the address that is banned, as in contact
    email_digest TEXT,
    effect       TEXT   NOT NULL,
    note         TEXT,
    version      BIGINT NOT NULL DEFAULT 1,
    created_at   TEXT   NOT NULL,
    expires_at   TEXT,
    removed_at   TEXT
);

CREATE INDEX rule_site ON rule (site_id) WHERE removed_at IS NULL;

-- A comment's earlier wording: what stood at that version.
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

-- What a moderator did in one go; undone whole.
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
    subject    TEXT,  -- thread:…, rule:… or site:…, where it was not comments that changed
    was        TEXT,  -- that subject before, and after: JSON
    became     TEXT,
    session_id TEXT,  -- where it was done on the moderation page
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
    from_before  TEXT,  -- its status_before then
    from_note    TEXT,
    PRIMARY KEY (action_id, comment_id)
);

-- Comments that a running action has still to work on, and the version each had when it was started.
CREATE TABLE action_target (
    action_id TEXT NOT NULL PRIMARY KEY REFERENCES action (id),
    targets   TEXT NOT NULL  -- JSON: [[comment id, version when the action was started], …], in order
);

CREATE INDEX action_item_comment ON action_item (comment_id, action_id);

-- Answers given to a submission id, so that a retry gets the same one.
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

-- The same words under the same name in the same place, within a day, are a duplicate.
CREATE TABLE recent_text (
    digest     TEXT NOT NULL PRIMARY KEY,
    comment_id TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE INDEX recent_text_comment ON recent_text (comment_id);
CREATE INDEX recent_text_created ON recent_text (created_at);

-- How much each network has written lately, as the time by which its allowance is whole again.
CREATE TABLE rate_limit (
    network_digest TEXT NOT NULL PRIMARY KEY,
    available_at   TEXT NOT NULL
);

-- A reader's word that a comment should be looked at.
CREATE TABLE report (
    comment_id    TEXT NOT NULL REFERENCES comment (id),
    reader_digest TEXT NOT NULL,  -- keyed: the same network, within the time for which networks are kept
    reason        TEXT,
    created_at    TEXT NOT NULL,
    settled_at    TEXT,           -- when a person decided after it
    settled_by    TEXT,           -- the action by which they did
    PRIMARY KEY (comment_id, reader_digest)
);

-- Forms and proofs of work that have been used; each is good once.
CREATE TABLE used_token (
    name    TEXT NOT NULL PRIMARY KEY,
    used_at TEXT NOT NULL
);

CREATE INDEX used_token_used ON used_token (used_at);

-- Who did what. Rows are only added, and each carries the hash of the one before.
CREATE TABLE audit (
    seq        BIGINT NOT NULL PRIMARY KEY,
    created_at TEXT   NOT NULL,
    actor_kind TEXT   NOT NULL,
    actor_id   TEXT,
    actor_name TEXT   NOT NULL,
    verb       TEXT   NOT NULL,
    site_id    TEXT,
    body       TEXT   NOT NULL,  -- ids, statuses and versions, never words: JSON
    previous   TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    salt       TEXT,             -- of the note's digest in the body; both go when the comment is erased
    note       TEXT
);

CREATE INDEX audit_site ON audit (site_id, seq);
