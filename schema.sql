-- The whole schema, the same for SQLite and PostgreSQL.
--
-- Ids are UUIDv7 text, created by the service and never reused. Times are UTC text of fixed width,
-- 2026-11-22T16:02:11.000Z. Both sort as text. A time column (…_at) is NULL if the event has not happened.
-- A seq column (INTEGER PRIMARY KEY; on PostgreSQL an identity column) is numbered by the database: "latest" means the
-- highest seq, never the highest id or time, since those come from the clocks of several servers.
-- WITHOUT ROWID saves SQLite a B-tree for each table with short rows (docs/decisions/0048-fewer-b-trees.md); PostgreSQL
-- runs the schema without it. Every index without WHERE is written with every comment: tests/storage/test_write_cost.py
-- counts them.
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
    probe       TEXT   NOT NULL DEFAULT '',  -- when a health check last wrote here
    cleaned_at  TEXT   NOT NULL DEFAULT '',  -- when expired data was last deleted
    doubted_at  TEXT   NOT NULL DEFAULT ''   -- since when the clock is in doubt (commentsvc/operations/clock_trust.py)
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
    email_required    BIGINT NOT NULL DEFAULT 1,  -- 0: commenters may leave out their email address
    website_field     BIGINT NOT NULL DEFAULT 0,  -- 1: the form asks for the commenter's website
    privacy_url       TEXT,                       -- the privacy policy that the form links to
    consent_required  BIGINT NOT NULL DEFAULT 0,  -- 1: commenters must agree that their data is stored
    time_zone         TEXT   NOT NULL DEFAULT 'UTC' -- IANA name: the days of its statistics
);

-- The origins of a blog's pages: scheme://host[:port]. Only pages of these origins may post comments.
CREATE TABLE site_origin (
    origin  TEXT NOT NULL PRIMARY KEY,
    site_id TEXT NOT NULL REFERENCES site (id)
) WITHOUT ROWID;

CREATE INDEX site_origin_site ON site_origin (site_id);

-- One row: which sites, origins and rules there are. Servers keep them in memory under this version.
CREATE TABLE directory (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL  -- random; set whenever a site, an origin or a rule changes
);

-- The discussion of one page. Nothing of it is public before published_at, the time of its first approval.
CREATE TABLE thread (
    id           TEXT   NOT NULL PRIMARY KEY,
    site_id      TEXT   NOT NULL REFERENCES site (id),
    key          TEXT   NOT NULL,            -- its current name, empty if that was erased; thread_name has all names
    url          TEXT,
    title        TEXT,
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
    given_title  TEXT,                       -- by a moderator; another title goes with the thread's last comment
    merged_into  TEXT   REFERENCES thread (id)  -- the thread that now has its comments and names
);

CREATE INDEX thread_site ON thread (site_id, id);
CREATE INDEX thread_merged ON thread (merged_into) WHERE merged_into IS NOT NULL;

-- Numbers of comments by site: the sums of its threads' counters. A total is the sum of all rows of a site.
CREATE TABLE site_total (
    site_id  TEXT   NOT NULL REFERENCES site (id),
    shard    BIGINT NOT NULL,  -- on PostgreSQL each connection has a row of its own, so that none waits for another
    approved BIGINT NOT NULL,
    pending  BIGINT NOT NULL,
    spam     BIGINT NOT NULL,
    trash    BIGINT NOT NULL,
    reported BIGINT NOT NULL,
    PRIMARY KEY (site_id, shard)
) WITHOUT ROWID;

-- commentsvc/storage/dialect.py has the triggers of PostgreSQL. No line inside a trigger ends with a semicolon.
CREATE TRIGGER thread_counted AFTER UPDATE OF approved, pending, spam, trash, reported ON thread
WHEN (new.approved, new.pending, new.spam, new.trash, new.reported)
    <> (old.approved, old.pending, old.spam, old.trash, old.reported)
BEGIN INSERT INTO site_total (site_id, shard, approved, pending, spam, trash, reported)
    VALUES (new.site_id, 0, new.approved - old.approved, new.pending - old.pending, new.spam - old.spam,
        new.trash - old.trash, new.reported - old.reported)
    ON CONFLICT (site_id, shard) DO UPDATE SET approved = approved + excluded.approved,
        pending = pending + excluded.pending, spam = spam + excluded.spam, trash = trash + excluded.trash,
        reported = reported + excluded.reported; END;

CREATE TABLE thread_name (
    site_id   TEXT   NOT NULL REFERENCES site (id),
    name      TEXT   NOT NULL,
    thread_id TEXT   NOT NULL REFERENCES thread (id),
    given     BIGINT NOT NULL DEFAULT 0,  -- 1: by a moderator; others go with the thread's last comment
    PRIMARY KEY (site_id, name)
) WITHOUT ROWID;

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
) WITHOUT ROWID;

-- A one-time sign-in link of a moderator.
CREATE TABLE invitation (
    token_hash   TEXT NOT NULL PRIMARY KEY,
    moderator_id TEXT NOT NULL REFERENCES moderator (id),
    created_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    used_at      TEXT
) WITHOUT ROWID;

-- A session on the moderation page, of a moderator or of a key. The token itself is only in the browser's cookie.
CREATE TABLE session (
    id           TEXT NOT NULL PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    moderator_id TEXT REFERENCES moderator (id),
    key_hash     TEXT,
    created_at   TEXT NOT NULL,
    seen_at      TEXT NOT NULL
);

-- The preferences of a moderator, or of the holder of an API key, for the moderation page.
CREATE TABLE preference (
    owner     TEXT   NOT NULL PRIMARY KEY,  -- id of the moderator or the API key; 'admin': COMMENTSVC_ADMIN_KEY
    language  TEXT   NOT NULL,              -- empty: that of the browser
    shortcuts BIGINT NOT NULL,              -- 1: single keys decide on comments
    knows_no_mail BIGINT NOT NULL DEFAULT 0 -- 1: they closed the notice that no mail is sent
) WITHOUT ROWID;

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
    answered_id    TEXT,                       -- the comment that a reply answers, if deeper than nesting allows
    depth          BIGINT NOT NULL,            -- 0 for a top-level comment
    path           TEXT   NOT NULL,            -- six hex digits per level: sorts depth first
    top            TEXT   NOT NULL,            -- the first six digits of path
    name           TEXT   NOT NULL,
    hue            BIGINT NOT NULL,            -- colour of its author's initial, in degrees
    website        TEXT,
    page_url       TEXT,                       -- of the page it was sent from; the thread copies both
    page_title     TEXT,                       -- from its first approved comment
    text           TEXT   NOT NULL,            -- Markdown source
    html           TEXT   NOT NULL,            -- rendered and sanitised
    text_digest    TEXT   NOT NULL,            -- finds comments with the same text
    posted_digest  TEXT,                       -- of thread, requested parent, name and text as they were posted
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
    row_digest     TEXT   NOT NULL DEFAULT '', -- of id, name, text, html and created_at: finds damage
    UNIQUE (thread_id, top, path)              -- sorts a thread, oldest or newest first; top is a part of path
);

CREATE INDEX comment_queue ON comment (status, id);
CREATE INDEX comment_site ON comment (site_id, status, id);
CREATE INDEX comment_thread ON comment (thread_id, id);
CREATE INDEX comment_parent ON comment (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX comment_author ON comment (author_id);
CREATE INDEX comment_same_text ON comment (text_digest, status, thread_id);
CREATE INDEX comment_edited_text ON comment (posted_digest) WHERE edited_at IS NOT NULL;
CREATE INDEX comment_reported ON comment (id) WHERE reports > 0;

-- The tokens that searches find, and a full-text index of them; see commentsvc/storage/search.py. Its statements keep
-- the index of SQLite; PostgreSQL has a GIN index of this name instead (commentsvc/storage/dialect.py).
CREATE TABLE comment_search (
    seq        INTEGER PRIMARY KEY,
    comment_id TEXT NOT NULL UNIQUE REFERENCES comment (id),
    words      TEXT NOT NULL,  -- site, name, source and visible text
    marks      TEXT NOT NULL   -- status, and reasons of the latest decision
);

CREATE VIRTUAL TABLE comment_index USING fts5 (
    words, marks, content='comment_search', content_rowid='seq', detail=none, columnsize=0,
    tokenize="ascii tokenchars '=@!_:'"
);

CREATE TABLE thread_search (
    seq       INTEGER PRIMARY KEY,
    thread_id TEXT NOT NULL UNIQUE REFERENCES thread (id),
    words     TEXT NOT NULL  -- site, title and key
);

CREATE VIRTUAL TABLE thread_index USING fts5 (
    words, content='thread_search', content_rowid='seq', detail=none, columnsize=0,
    tokenize="ascii tokenchars '=@!_:'"
);

-- One row: how often tokens were erased; how often when the index was merged, and the file rewritten. Only for SQLite.
CREATE TABLE search_cleanup (
    id        BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    erased    BIGINT NOT NULL,
    merged    BIGINT NOT NULL,
    rewritten BIGINT NOT NULL DEFAULT 0
);

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
    status         TEXT NOT NULL,  -- of the comment; copied so that counts read one table
    name_key       TEXT,           -- of the comment's name; equal for names that look alike
    verified       BIGINT NOT NULL DEFAULT 0, -- 1: the commenter had confirmed this address in the browser they used
    spam_score     BIGINT NOT NULL DEFAULT -1, -- of the comment, in thousandths, by the site's filter; -1: unknown
    row_digest     TEXT            -- of comment_id and email_sealed: finds damage; NULL without an email address
) WITHOUT ROWID;

CREATE INDEX contact_email ON contact (email_digest, status, comment_id, site_id);
CREATE INDEX contact_network ON contact (network, status, comment_id, site_id, created_at);
-- Approved comments by name, to warn of another commenter with the same name. With the status, SQLite reads the index
-- alone, although every row has the same one.
CREATE INDEX contact_name ON contact (site_id, name_key, comment_id, email_digest, status) WHERE status = 'approved';
-- The queue, least likely spam first.
CREATE INDEX contact_score ON contact (spam_score, comment_id, site_id, status) WHERE status = 'pending';

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
-- What a rule did since a time. Moderation modes hold most comments, and are no rules.
CREATE INDEX decision_by_rule ON decision (actor_name, created_at)
    WHERE actor_kind = 'rule' AND status IN ('pending', 'spam') AND actor_name NOT IN ('mode', 'new_author');

-- What people and imports called spam or good. It outlives a comment that is deleted for its age, so it has no reference.
CREATE TABLE memory (
    comment_id TEXT   NOT NULL PRIMARY KEY,
    site_id    TEXT   NOT NULL REFERENCES site (id),
    label      TEXT   CHECK (label IN ('spam', 'good')),    -- NULL: no longer; the filter must still unlearn it
    source     TEXT   NOT NULL CHECK (source IN ('person', 'import')),
    approved   BIGINT NOT NULL,                             -- 1: a person approved it at some time
    decided_at TEXT   NOT NULL,
    learned    TEXT   CHECK (learned IN ('spam', 'good')),  -- as what the filter learned it; NULL: not yet
    pruned     BIGINT NOT NULL DEFAULT 0,                   -- 1: its comment was erased for its age
    features   TEXT                                         -- of such a comment, for the filter: hashes of words
);

CREATE INDEX memory_pruned ON memory (decided_at) WHERE pruned = 1;
CREATE INDEX memory_site ON memory (site_id, decided_at, comment_id) WHERE label IS NOT NULL;
-- The filter has still to learn or unlearn these.
CREATE INDEX memory_unlearned ON memory (site_id, decided_at, comment_id)
    WHERE label IS NULL OR learned IS NULL OR label <> learned;

-- What the spam filter of a site has learned from the decisions in memory. It can be made again from them.
CREATE TABLE spam_filter (
    site_id    TEXT   NOT NULL PRIMARY KEY REFERENCES site (id),
    version    BIGINT NOT NULL,  -- random; servers keep a filter in memory under it
    good       BIGINT NOT NULL,  -- numbers of comments that it has learned
    spam       BIGINT NOT NULL,
    state      TEXT   NOT NULL,  -- its weights: see commentsvc/spam/filter.py
    stale      BIGINT NOT NULL,  -- above 0: memory does not have all that it has learned; it must be made again
    learned_at TEXT   NOT NULL
);

-- By which new comments are compared with those in memory: keyed hashes of the site with the text, with a part of it that
-- texts nearly the same share, or with a host (commentsvc/spam/keys.py).
CREATE TABLE memory_key (
    key        BIGINT NOT NULL,
    label      TEXT   NOT NULL CHECK (label IN ('spam', 'import', 'good')),  -- import: spam in an imported archive
    comment_id TEXT   NOT NULL,
    PRIMARY KEY (key, label, comment_id)
) WITHOUT ROWID;

CREATE INDEX memory_key_comment ON memory_key (comment_id);

-- One row: the key of these hashes, and the decision up to which memory was filled in the background.
CREATE TABLE memory_state (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    key_sealed TEXT   NOT NULL,            -- encrypted: with the database alone, nobody can test a guessed text
    filled_seq BIGINT NOT NULL DEFAULT 0
);

-- The answers of the external check (COMMENTSVC_VERDICT_URL) about comments. A new answer replaces the one before.
CREATE TABLE hook_verdict (
    comment_id TEXT   NOT NULL PRIMARY KEY REFERENCES comment (id),
    site_id    TEXT   NOT NULL REFERENCES site (id),
    version    BIGINT NOT NULL,             -- of the comment that was asked about
    effect     TEXT   CHECK (effect IN ('spam', 'hold', 'approve', 'none')),  -- NULL: it gave no verdict in time
    permille   BIGINT,                      -- its score times 1000
    reason     TEXT   NOT NULL,             -- in its words; without a verdict: the error
    asked_at   TEXT   NOT NULL,
    applied    BIGINT NOT NULL,             -- 1: the verdict changed the comment's status
    submitted  TEXT   CHECK (submitted IN ('spam', 'good'))  -- what Akismet was last told about people's decisions
);

CREATE INDEX hook_verdict_site ON hook_verdict (site_id, asked_at);

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
    progress   BIGINT NOT NULL DEFAULT 0, -- of a running action: how many of its targets are done
    part_of    TEXT   -- an id that several changes share, so that they are undone together
);

CREATE INDEX action_running ON action (seq) WHERE state = 'running';

CREATE INDEX action_session ON action (session_id, seq) WHERE session_id IS NOT NULL;
CREATE INDEX action_subject ON action (subject) WHERE subject IS NOT NULL;
CREATE INDEX action_part ON action (part_of, seq) WHERE part_of IS NOT NULL;
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
) WITHOUT ROWID;

-- Comments that a running action has still to work on, and the version each had when it was started.
CREATE TABLE action_target (
    action_id TEXT NOT NULL PRIMARY KEY REFERENCES action (id),
    targets   TEXT NOT NULL  -- JSON: [[comment id, version when the action was started], …], in order
);

CREATE INDEX action_item_comment ON action_item (comment_id, action_id);

-- Submission ids (idempotency keys), so that a retry gets the same response.
CREATE TABLE submission (
    site_id     TEXT   NOT NULL REFERENCES site (id),
    name        TEXT   NOT NULL,  -- digest of the id
    body_digest TEXT   NOT NULL,
    comment_id  TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    created_at  TEXT   NOT NULL,
    PRIMARY KEY (site_id, name)
) WITHOUT ROWID;

-- Rate limits by network: the time at which the whole allowance is available again, in microseconds since 1970.
CREATE TABLE rate_limit (
    network_digest TEXT   NOT NULL PRIMARY KEY,
    available_at   BIGINT NOT NULL
) WITHOUT ROWID;

-- A reader's report of a comment.
CREATE TABLE report (
    comment_id    TEXT   NOT NULL REFERENCES comment (id),
    reader_digest TEXT   NOT NULL,  -- keyed digest of the network; changes with the retention period
    reason        TEXT,
    created_at    TEXT   NOT NULL,
    holds         BIGINT NOT NULL,  -- 0: the network had reported too much, so this report only flags
    settled_at    TEXT,             -- when a person decided on the comment
    settled_by    TEXT,             -- the action that did so
    PRIMARY KEY (comment_id, reader_digest)
) WITHOUT ROWID;

CREATE INDEX report_open ON report (created_at) WHERE settled_at IS NULL;

-- Used form tokens and proofs of work. Each is valid once.
CREATE TABLE used_token (
    name    TEXT NOT NULL PRIMARY KEY,
    used_at TEXT NOT NULL
) WITHOUT ROWID;

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

-- Events that somebody is to be told, until a worker has turned them into parcels. Each row is written in the
-- transaction of its cause, and only if there is a mail server or a webhook.
CREATE TABLE event (
    seq          INTEGER PRIMARY KEY,
    kind         TEXT   NOT NULL,  -- commentsvc/domain/models.py, EventKind
    site_id      TEXT   REFERENCES site (id),
    thread_id    TEXT,
    comment_id   TEXT,
    detail       TEXT   NOT NULL,  -- ids, statuses, codes, never texts: JSON
    email_sealed TEXT,             -- the address that asked for something; encrypted as in contact
    email_digest TEXT,
    created_at   TEXT   NOT NULL,
    failures     BIGINT NOT NULL DEFAULT 0  -- how often it could not be turned into parcels
);

CREATE INDEX event_comment ON event (comment_id) WHERE comment_id IS NOT NULL;

-- The outbox: a mail, or a request to a webhook. Its id is in the Message-ID or webhook-id, so every attempt has the
-- same one. Delivered mails are deleted; requests to webhooks are kept for a week, with the response.
CREATE TABLE parcel (
    id           TEXT   NOT NULL PRIMARY KEY,
    channel      TEXT   NOT NULL CHECK (channel IN ('mail', 'webhook', 'verdict')),
    kind         TEXT   NOT NULL,            -- which mail; of a webhook: the type of the event; verdict or teach
    site_id      TEXT   REFERENCES site (id),
    thread_id    TEXT,
    comment_id   TEXT,                       -- erasing this comment deletes the parcel
    owner        TEXT,                       -- id of the moderator, subscription or webhook
    email_sealed TEXT,                       -- recipient of a mail
    email_digest TEXT,
    detail       TEXT   NOT NULL,            -- of a mail or verdict: ids and codes, JSON; of a webhook: the encrypted body
    state        TEXT   NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts     BIGINT NOT NULL DEFAULT 0,
    urgent       BIGINT NOT NULL DEFAULT 0 CHECK (urgent IN (0, 1)),  -- 1: somebody waits for it; it goes before others
    due_at       TEXT   NOT NULL,            -- when to try next; a worker that tries moves it into the future
    created_at   TEXT   NOT NULL,
    claimed_at   TEXT,                       -- while a worker tries to deliver it
    tried_at     TEXT,
    milliseconds BIGINT,                     -- of the latest attempt
    status_code  BIGINT,                     -- that the receiver answered
    response     TEXT,                       -- of a webhook: the beginning of its body, encrypted
    error        TEXT                        -- why the latest attempt failed
);

CREATE INDEX parcel_due ON parcel (channel, due_at) WHERE state = 'waiting';
CREATE INDEX parcel_urgent ON parcel (channel, due_at) WHERE state = 'waiting' AND urgent = 1;
CREATE INDEX parcel_claimed ON parcel (id) WHERE claimed_at IS NOT NULL;
CREATE INDEX parcel_dead ON parcel (id) WHERE state = 'dead';
CREATE INDEX parcel_thread ON parcel (thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX parcel_owner ON parcel (owner, id) WHERE owner IS NOT NULL;
CREATE INDEX parcel_comment ON parcel (comment_id) WHERE comment_id IS NOT NULL;
CREATE INDEX parcel_email ON parcel (email_digest) WHERE email_digest IS NOT NULL;

-- How the latest deliveries on a channel went.
CREATE TABLE channel_record (
    channel      TEXT NOT NULL PRIMARY KEY,
    delivered_at TEXT,
    failed_at    TEXT,
    error        TEXT
) WITHOUT ROWID;

-- Which mails a moderator gets. No row: at once, then a digest at most every COMMENTSVC_MAIL_MINUTES.
CREATE TABLE moderator_mail (
    moderator_id TEXT   NOT NULL PRIMARY KEY REFERENCES moderator (id),
    mode         TEXT   NOT NULL DEFAULT 'now' CHECK (mode IN ('now', 'digest', 'off')),
    minutes      BIGINT,         -- NULL: COMMENTSVC_MAIL_MINUTES
    mailed_at    TEXT            -- when the latest mail about waiting comments is due, or was written
) WITHOUT ROWID;

-- The links in a mail about a waiting comment. Using one of them voids them all.
CREATE TABLE decision_link (
    id           TEXT   NOT NULL PRIMARY KEY,  -- derived from the mail's parcel and the comment: every attempt has the same links
    moderator_id TEXT   NOT NULL REFERENCES moderator (id),
    comment_id   TEXT   NOT NULL,
    version      BIGINT NOT NULL,              -- of the comment, as the mail shows it
    created_at   TEXT   NOT NULL,
    expires_at   TEXT   NOT NULL,
    used_at      TEXT,
    action_id    TEXT                          -- what the link did
) WITHOUT ROWID;

CREATE INDEX decision_link_comment ON decision_link (comment_id);

-- A feed of the moderation queue for a feed reader. Its token is shown once.
CREATE TABLE queue_feed (
    id           TEXT   NOT NULL PRIMARY KEY,
    token_hash   TEXT   NOT NULL UNIQUE,
    moderator_id TEXT   NOT NULL REFERENCES moderator (id),
    site_id      TEXT   NOT NULL REFERENCES site (id),
    shows_text   BIGINT NOT NULL DEFAULT 0,  -- 1: entries have the names and texts of commenters
    created_at   TEXT   NOT NULL,
    last_used_at TEXT                        -- to the hour
);

CREATE INDEX queue_feed_moderator ON queue_feed (moderator_id);

-- An email address that asked for mail, or must get none.
CREATE TABLE address (
    id           TEXT NOT NULL PRIMARY KEY,
    email_sealed TEXT NOT NULL,
    email_digest TEXT NOT NULL UNIQUE,
    created_at   TEXT NOT NULL,
    confirmed_at TEXT,  -- when its owner first confirmed it
    suppressed_at TEXT, -- since when it gets no mail
    suppressed_for TEXT -- bounce, complaint or request
);

-- A mail that asks the owner of an address to confirm it. Each address gets at most one in a day; what is asked for
-- until then joins it.
CREATE TABLE confirmation (
    id         TEXT NOT NULL PRIMARY KEY,
    address_id TEXT NOT NULL REFERENCES address (id),
    site_id    TEXT NOT NULL REFERENCES site (id),
    thread_id  TEXT,           -- the page that the mail names
    language   TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at    TEXT
);

CREATE INDEX confirmation_address ON confirmation (address_id, created_at);

-- Mail about new comments, for an address. It is sent only after confirmed_at.
CREATE TABLE subscription (
    id           TEXT   NOT NULL PRIMARY KEY,
    address_id   TEXT   NOT NULL REFERENCES address (id),
    site_id      TEXT   NOT NULL REFERENCES site (id),
    scope        TEXT   NOT NULL CHECK (scope IN ('replies', 'thread', 'site')),
    thread_id    TEXT,                       -- of scope thread and replies
    comment_id   TEXT,                       -- of scope replies: the commenter's own comment
    daily        BIGINT NOT NULL DEFAULT 0,  -- 1: one mail a day instead of one for each comment
    language     TEXT   NOT NULL,
    confirmation_id TEXT REFERENCES confirmation (id),  -- that confirms it
    created_at   TEXT   NOT NULL,
    confirmed_at TEXT
);

-- An address that asks for the same twice has it once.
CREATE UNIQUE INDEX subscription_target
    ON subscription (address_id, scope, COALESCE(comment_id, thread_id, site_id));
CREATE INDEX subscription_comment ON subscription (comment_id) WHERE comment_id IS NOT NULL;
-- Those who are told about a comment are read in pieces, in the order of their addresses.
CREATE INDEX subscription_thread ON subscription (thread_id, address_id) WHERE thread_id IS NOT NULL;
CREATE INDEX subscription_confirmation ON subscription (confirmation_id) WHERE confirmation_id IS NOT NULL;
CREATE INDEX subscription_site ON subscription (site_id, address_id) WHERE scope = 'site';

-- Authors (comment.author_id) who confirmed an address in the browser that has their author token.
CREATE TABLE verified_author (
    author_id  TEXT NOT NULL,
    address_id TEXT NOT NULL REFERENCES address (id),
    site_id    TEXT NOT NULL REFERENCES site (id),
    created_at TEXT NOT NULL,
    PRIMARY KEY (author_id, address_id)
) WITHOUT ROWID;

CREATE INDEX verified_author_address ON verified_author (address_id, site_id);

-- A webhook: where requests about events go (https://www.standardwebhooks.com).
CREATE TABLE webhook (
    id                 TEXT   NOT NULL PRIMARY KEY,
    site_id            TEXT   REFERENCES site (id),  -- NULL: all sites
    url_sealed         TEXT   NOT NULL,              -- encrypted: addresses of chat services are secrets
    events             TEXT   NOT NULL,              -- separated by spaces
    secret_sealed      TEXT   NOT NULL,              -- whsec_…, encrypted
    old_secret_sealed  TEXT,                         -- before the last rotation; it signs too until old_secret_until
    old_secret_until   TEXT,
    includes_email     BIGINT NOT NULL DEFAULT 0,
    includes_unapproved BIGINT NOT NULL DEFAULT 0,   -- 1: also text and name of comments that are not public
    note               TEXT   NOT NULL DEFAULT '',
    created_at         TEXT   NOT NULL,
    failing_since      TEXT,                         -- first failure since the last success
    disabled_at        TEXT,
    disabled_for       TEXT                          -- failing, gone or moderator
);

CREATE INDEX webhook_active ON webhook (site_id) WHERE disabled_at IS NULL;

-- An import by upload. Its file is in a folder of one server, and is deleted with the job or when all is imported.
CREATE TABLE import_job (
    id          TEXT   NOT NULL PRIMARY KEY,
    site_id     TEXT   REFERENCES site (id),  -- NULL: each page's own site
    folder      TEXT   NOT NULL,              -- id of the folder that has the file
    name        TEXT   NOT NULL,              -- of the file, as shown
    bytes       BIGINT NOT NULL,
    format      TEXT   NOT NULL,              -- auto: not known yet
    options     TEXT   NOT NULL,              -- JSON
    state       TEXT   NOT NULL
                CHECK (state IN ('uploaded', 'checking', 'checked', 'importing', 'done', 'failed', 'cancelled')),
    progress    BIGINT NOT NULL DEFAULT 0,
    total       BIGINT,                       -- NULL: not known
    books       TEXT,                         -- JSON: of the dry run, then of the import
    error       TEXT,                         -- JSON: code and detail
    actor_kind  TEXT   NOT NULL,
    actor_id    TEXT,
    actor_name  TEXT,
    created_at  TEXT   NOT NULL,
    started_at  TEXT,                         -- of the dry run or of the import, whichever is the latest
    finished_at TEXT
);

-- Comments of archives that were imported. A row stays when its comment is erased, so that no import brings it back.
CREATE TABLE imported (
    site_id    TEXT NOT NULL REFERENCES site (id),
    source     TEXT NOT NULL COLLATE BINARY,  -- the archive, such as disqus/forum
    source_id  TEXT NOT NULL COLLATE BINARY,  -- of the comment in the archive; exports have the same order everywhere
    comment_id TEXT NOT NULL,
    PRIMARY KEY (site_id, source, source_id)
) WITHOUT ROWID;

-- One row: the last backup of an SQLite database, and the last attempt that failed since then.
CREATE TABLE backup (
    id        BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    file      TEXT   NOT NULL DEFAULT '',  -- its full path
    made_at   TEXT   NOT NULL DEFAULT '',
    failed_at TEXT   NOT NULL DEFAULT '',
    failure   TEXT   NOT NULL DEFAULT ''   -- why, in words; empty after a success
);

-- Totals for statistics (docs/decisions/0089-statistics.md). Triggers keep them, so no change of a comment is forgotten;
-- commentsvc/storage/dialect.py has those of PostgreSQL, where a shard is a row of some connections, as in site_total.
-- A quarter is a quarter of an hour in UTC, counted since 1970. Every time zone in use begins its days at one, so these
-- rows add up to days of any zone, and a change of the zone changes no row. Waits and rules count at noon of their day in
-- UTC, so that a year is few rows; they are shown on the day that the zone has then. No row names a person.

-- Comments by the time at which they arrived, and by their status now.
CREATE TABLE arrival_total (
    site_id  TEXT   NOT NULL REFERENCES site (id),
    quarter  BIGINT NOT NULL,
    shard    BIGINT NOT NULL,
    approved BIGINT NOT NULL,
    pending  BIGINT NOT NULL,
    spam     BIGINT NOT NULL,
    trash    BIGINT NOT NULL,  -- without erased ones
    erased   BIGINT NOT NULL,
    PRIMARY KEY (site_id, quarter, shard)
) WITHOUT ROWID;

-- Approved comments of each thread by the day and by the month (UTC) in which they arrived: months make a year quick to
-- read. Their thread is locked, so that these rows need no shards. Those with nothing to count are deleted.
CREATE TABLE thread_total (
    period    TEXT   NOT NULL,  -- 2026-11-22 or 2026-11
    site_id   TEXT   NOT NULL REFERENCES site (id),
    thread_id TEXT   NOT NULL,
    number    BIGINT NOT NULL,
    PRIMARY KEY (period, site_id, thread_id)
) WITHOUT ROWID;

-- How long held comments waited for the first decision of a moderator, a program or a hook, by their arrival.
CREATE TABLE wait_total (
    site_id TEXT   NOT NULL REFERENCES site (id),
    quarter BIGINT NOT NULL,  -- noon of the day in UTC
    bucket  BIGINT NOT NULL,  -- the number of bounds in commentsvc/storage/day_totals.py that the wait has reached
    shard   BIGINT NOT NULL,
    number  BIGINT NOT NULL,
    PRIMARY KEY (site_id, quarter, bucket, shard)
) WITHOUT ROWID;

-- Comments that a rule held or marked as spam when they arrived, and how many of them are approved, or were public
-- before they were erased. Moderation modes are no rules.
CREATE TABLE rule_total (
    site_id   TEXT   NOT NULL REFERENCES site (id),
    quarter   BIGINT NOT NULL,  -- noon of the day in UTC
    name      TEXT   NOT NULL,  -- kind of rule, or name of a built-in one
    rule_id   TEXT   NOT NULL,  -- empty: a built-in rule
    shard     BIGINT NOT NULL,
    caught    BIGINT NOT NULL,
    overruled BIGINT NOT NULL,
    PRIMARY KEY (site_id, quarter, name, rule_id, shard)
) WITHOUT ROWID;

CREATE TRIGGER comment_arrived AFTER INSERT ON comment
BEGIN INSERT INTO arrival_total (site_id, quarter, shard, approved, pending, spam, trash, erased)
    VALUES (new.site_id, STRFTIME('%s', new.created_at) / 900, 0, new.status = 'approved' AND new.erased_at IS NULL,
        new.status = 'pending' AND new.erased_at IS NULL, new.status = 'spam' AND new.erased_at IS NULL,
        new.status = 'trash' AND new.erased_at IS NULL, new.erased_at IS NOT NULL)
    ON CONFLICT (site_id, quarter, shard) DO UPDATE SET approved = approved + excluded.approved,
        pending = pending + excluded.pending, spam = spam + excluded.spam, trash = trash + excluded.trash,
        erased = erased + excluded.erased; INSERT INTO thread_total (period, site_id, thread_id, number)
    SELECT SUBSTR(new.created_at, 1, column1), new.site_id, new.thread_id, 1 FROM (VALUES (7), (10))
    WHERE new.status = 'approved' AND new.erased_at IS NULL
    ON CONFLICT (period, site_id, thread_id) DO UPDATE SET number = number + 1; END;

CREATE TRIGGER comment_left AFTER DELETE ON comment
BEGIN UPDATE arrival_total SET approved = approved - (old.status = 'approved' AND old.erased_at IS NULL),
        pending = pending - (old.status = 'pending' AND old.erased_at IS NULL),
        spam = spam - (old.status = 'spam' AND old.erased_at IS NULL),
        trash = trash - (old.status = 'trash' AND old.erased_at IS NULL), erased = erased - (old.erased_at IS NOT NULL)
    WHERE site_id = old.site_id AND quarter = STRFTIME('%s', old.created_at) / 900
        AND shard = 0; UPDATE thread_total SET number = number - 1
    WHERE period IN (SUBSTR(old.created_at, 1, 7), SUBSTR(old.created_at, 1, 10)) AND site_id = old.site_id
        AND thread_id = old.thread_id AND old.status = 'approved'
        AND old.erased_at IS NULL; DELETE FROM thread_total
    WHERE period IN (SUBSTR(old.created_at, 1, 7), SUBSTR(old.created_at, 1, 10)) AND site_id = old.site_id
        AND thread_id = old.thread_id AND number = 0; END;

CREATE TRIGGER comment_changed AFTER UPDATE OF status, erased_at, thread_id ON comment
WHEN (new.status, new.erased_at IS NULL, new.thread_id) <> (old.status, old.erased_at IS NULL, old.thread_id)
BEGIN UPDATE arrival_total SET
        approved = approved + (new.status = 'approved' AND new.erased_at IS NULL)
            - (old.status = 'approved' AND old.erased_at IS NULL),
        pending = pending + (new.status = 'pending' AND new.erased_at IS NULL)
            - (old.status = 'pending' AND old.erased_at IS NULL),
        spam = spam + (new.status = 'spam' AND new.erased_at IS NULL)
            - (old.status = 'spam' AND old.erased_at IS NULL),
        trash = trash + (new.status = 'trash' AND new.erased_at IS NULL)
            - (old.status = 'trash' AND old.erased_at IS NULL),
        erased = erased + (new.erased_at IS NOT NULL) - (old.erased_at IS NOT NULL)
    WHERE site_id = new.site_id AND quarter = STRFTIME('%s', new.created_at) / 900
        AND shard = 0; UPDATE thread_total SET number = number - 1
    WHERE period IN (SUBSTR(old.created_at, 1, 7), SUBSTR(old.created_at, 1, 10)) AND site_id = old.site_id
        AND thread_id = old.thread_id AND old.status = 'approved'
        AND old.erased_at IS NULL; INSERT INTO thread_total (period, site_id, thread_id, number)
    SELECT SUBSTR(new.created_at, 1, column1), new.site_id, new.thread_id, 1 FROM (VALUES (7), (10))
    WHERE new.status = 'approved' AND new.erased_at IS NULL
    ON CONFLICT (period, site_id, thread_id) DO UPDATE SET number = number + 1; DELETE FROM thread_total
    WHERE period IN (SUBSTR(old.created_at, 1, 7), SUBSTR(old.created_at, 1, 10)) AND site_id = old.site_id
        AND thread_id = old.thread_id AND number = 0; UPDATE rule_total
    SET overruled = overruled
        + CASE WHEN new.erased_at IS NULL THEN new.status = 'approved' ELSE new.published_at IS NOT NULL END
        - CASE WHEN old.erased_at IS NULL THEN old.status = 'approved' ELSE old.published_at IS NOT NULL END
    WHERE site_id = new.site_id AND quarter = STRFTIME('%s', new.created_at) / 86400 * 96 + 48 AND shard = 0
        AND (name, rule_id) = (SELECT actor_name, COALESCE(actor_id, '') FROM decision
            WHERE comment_id = new.id AND seq = (SELECT MIN(seq) FROM decision WHERE comment_id = new.id)
                AND actor_kind = 'rule' AND status IN ('pending', 'spam')
                AND actor_name NOT IN ('mode', 'new_author')); END;

CREATE TRIGGER comment_caught AFTER INSERT ON decision
WHEN new.actor_kind = 'rule' AND new.status IN ('pending', 'spam') AND new.actor_name NOT IN ('mode', 'new_author')
    AND NOT EXISTS (SELECT 1 FROM decision WHERE comment_id = new.comment_id AND seq < new.seq)
BEGIN INSERT INTO rule_total (site_id, quarter, name, rule_id, shard, caught, overruled)
    SELECT site_id, STRFTIME('%s', created_at) / 86400 * 96 + 48, new.actor_name, COALESCE(new.actor_id, ''), 0, 1,
        CASE WHEN erased_at IS NULL THEN status = 'approved' ELSE published_at IS NOT NULL END
    FROM comment WHERE id = new.comment_id
    ON CONFLICT (site_id, quarter, name, rule_id, shard) DO UPDATE SET caught = caught + 1,
        overruled = overruled + excluded.overruled; END;

CREATE TRIGGER comment_decided AFTER INSERT ON decision
WHEN new.actor_kind IN ('person', 'program', 'hook') AND new.status <> 'pending'
    AND (SELECT status FROM decision WHERE comment_id = new.comment_id ORDER BY seq LIMIT 1) = 'pending'
    AND NOT EXISTS (SELECT 1 FROM decision WHERE comment_id = new.comment_id AND seq < new.seq
        AND status <> 'pending' AND actor_kind IN ('person', 'program', 'hook'))
BEGIN INSERT INTO wait_total (site_id, quarter, bucket, shard, number)
    SELECT site_id, STRFTIME('%s', created_at) / 86400 * 96 + 48, (SELECT COUNT(*) FROM (VALUES
            (60), (120), (180), (240), (300), (420), (600), (900), (1200), (1500), (1800),
            (2100), (2400), (2700), (3000), (3600), (4500), (5400), (7200), (9000), (10800), (14400),
            (18000), (21600), (28800), (36000), (43200), (57600), (72000), (86400), (129600), (172800), (259200),
            (345600), (604800), (1209600), (2592000))
            WHERE column1 <= STRFTIME('%s', new.created_at) - STRFTIME('%s', comment.created_at)), 0, 1
    FROM comment WHERE id = new.comment_id
    ON CONFLICT (site_id, quarter, bucket, shard) DO UPDATE SET number = number + 1; END;
