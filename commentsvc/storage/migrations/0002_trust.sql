-- Rules, the verdicts they pass, reports, and the log of who did what.

-- NULL: as the setting says.
ALTER TABLE site ADD COLUMN mode TEXT;
ALTER TABLE site ADD COLUMN rules_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE site ADD COLUMN closes_after_days BIGINT;

ALTER TABLE thread ADD COLUMN mode TEXT;
ALTER TABLE thread ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;
ALTER TABLE thread ADD COLUMN spam BIGINT NOT NULL DEFAULT 0;
ALTER TABLE thread ADD COLUMN trash BIGINT NOT NULL DEFAULT 0;
ALTER TABLE thread ADD COLUMN reported BIGINT NOT NULL DEFAULT 0;

UPDATE thread SET
    pending = (SELECT COUNT(*) FROM comment WHERE thread_id = thread.id AND status = 'pending'),
    spam = (SELECT COUNT(*) FROM comment WHERE thread_id = thread.id AND status = 'spam'),
    trash = (SELECT COUNT(*) FROM comment WHERE thread_id = thread.id AND status = 'trash' AND erased_at IS NULL);

ALTER TABLE comment ADD COLUMN reports BIGINT NOT NULL DEFAULT 0;

CREATE INDEX comment_reported ON comment (id) WHERE reports > 0;

-- These two, each wide enough for what moderators ask.
DROP INDEX comment_latest;
DROP INDEX comment_same_text;
CREATE INDEX comment_site ON comment (site_id, status, id);
CREATE INDEX comment_same_text ON comment (text_digest, status, site_id);

CREATE TABLE comment_search (
    comment_id TEXT NOT NULL PRIMARY KEY REFERENCES comment (id),
    status     TEXT NOT NULL,
    words      TEXT NOT NULL,
    reasons    TEXT NOT NULL DEFAULT ''
);
INSERT INTO comment_search (comment_id, status, words, reasons)
SELECT id, status, LOWER(name || '
' || text), COALESCE((
    SELECT LOWER(CASE WHEN made_by LIKE 'rule:%' THEN made_by ELSE '' END || '
' || reason) FROM decision
    WHERE decision.id = (SELECT MAX(latest.id) FROM decision AS latest WHERE latest.comment_id = comment.id)
), '')
FROM comment WHERE erased_at IS NULL;

CREATE INDEX comment_search_status ON comment_search (status, comment_id);

-- The private table again, with its comment's site and status beside what moderators count by.
CREATE TABLE contact_before AS SELECT * FROM contact;
DROP TABLE contact;
CREATE TABLE contact (
    comment_id     TEXT NOT NULL PRIMARY KEY REFERENCES comment (id),
    email_sealed   TEXT NOT NULL,
    email_digest   TEXT NOT NULL,
    network        TEXT,
    network_digest TEXT,
    agent          TEXT,
    created_at     TEXT NOT NULL,
    site_id        TEXT NOT NULL REFERENCES site (id),
    status         TEXT NOT NULL
);
INSERT INTO contact (comment_id, email_sealed, email_digest, network, network_digest, agent, created_at,
    site_id, status)
SELECT comment_id, email_sealed, email_digest, network, network_digest, agent, contact_before.created_at,
    comment.site_id, comment.status
FROM contact_before JOIN comment ON comment.id = contact_before.comment_id;
DROP TABLE contact_before;

CREATE INDEX contact_email ON contact (email_digest, status, comment_id, site_id);
CREATE INDEX contact_network ON contact (network, status, comment_id, site_id);
CREATE INDEX contact_recent ON contact (network, created_at);
CREATE INDEX contact_created ON contact (created_at) WHERE network IS NOT NULL;

ALTER TABLE decision ADD COLUMN rule_id TEXT;

CREATE TABLE verdict (
    decision_id TEXT   NOT NULL REFERENCES decision (id),
    position    BIGINT NOT NULL,
    comment_id  TEXT   NOT NULL REFERENCES comment (id),
    rule        TEXT   NOT NULL,
    rule_id     TEXT,
    effect      TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    PRIMARY KEY (decision_id, position)
);

CREATE INDEX verdict_comment ON verdict (comment_id, decision_id);

CREATE TABLE rule (
    id           TEXT   NOT NULL PRIMARY KEY,
    site_id      TEXT   REFERENCES site (id),
    kind         TEXT   NOT NULL,
    matching     TEXT   NOT NULL,
    email_sealed TEXT,
    email_digest TEXT,
    effect       TEXT   NOT NULL,
    note         TEXT,
    version      BIGINT NOT NULL DEFAULT 1,
    created_at   TEXT   NOT NULL,
    expires_at   TEXT,
    removed_at   TEXT
);

CREATE INDEX rule_site ON rule (site_id) WHERE removed_at IS NULL;

ALTER TABLE action ADD COLUMN subject TEXT;
ALTER TABLE action ADD COLUMN was TEXT;
ALTER TABLE action ADD COLUMN became TEXT;

CREATE TABLE report (
    comment_id    TEXT NOT NULL REFERENCES comment (id),
    reader_digest TEXT NOT NULL,
    reason        TEXT,
    created_at    TEXT NOT NULL,
    settled_at    TEXT,
    PRIMARY KEY (comment_id, reader_digest)
);

CREATE TABLE spent (
    name     TEXT NOT NULL PRIMARY KEY,
    spent_at TEXT NOT NULL
);

CREATE INDEX spent_at ON spent (spent_at);

ALTER TABLE installation ADD COLUMN audited BIGINT NOT NULL DEFAULT 0;
ALTER TABLE installation ADD COLUMN audit_hash TEXT NOT NULL DEFAULT '';

CREATE TABLE audit (
    seq        BIGINT NOT NULL PRIMARY KEY,
    created_at TEXT   NOT NULL,
    made_by    TEXT   NOT NULL,
    verb       TEXT   NOT NULL,
    site_id    TEXT,
    body       TEXT   NOT NULL,
    previous   TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    salt       TEXT,
    note       TEXT
);

CREATE INDEX audit_site ON audit (site_id, seq);
