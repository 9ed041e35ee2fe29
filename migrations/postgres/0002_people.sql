-- People: accounts, what each may do in which project, how they are recognised. The same tables exist for SQLite in ../sqlite.
--
-- A secret is never stored: of a password its Argon2id string, of everything else (session, token, link) the BLAKE3 digest
-- of 128 or more random bits, which nobody can guess and a digest therefore cannot betray. Accounts belong to the server,
-- not to a project. Columns are called user_id, since "user" is a word of SQL.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL UNIQUE,           -- the name in lower case: who differs in case only is the same person
    is_admin      BOOLEAN NOT NULL DEFAULT FALSE, -- may do everything in every project
    password_hash TEXT,                           -- PHC string; empty until the person has chosen a password
    created_us    BIGINT NOT NULL,
    disabled_us   BIGINT
);

CREATE TABLE memberships (
    user_id    TEXT NOT NULL REFERENCES users (id),
    project    TEXT NOT NULL REFERENCES projects (id),
    role       TEXT NOT NULL,   -- viewer, operator, reviewer, publisher or admin
    created_us BIGINT NOT NULL,
    PRIMARY KEY (user_id, project)
);
CREATE INDEX memberships_by_project ON memberships (project);

-- A browser's session; expires_us moves on while it is used.
CREATE TABLE sessions (
    hash         TEXT PRIMARY KEY,  -- of the cookie's value
    user_id      TEXT REFERENCES users (id),
    data         TEXT NOT NULL,     -- JSON
    created_us   BIGINT NOT NULL,
    last_seen_us BIGINT NOT NULL,
    expires_us   BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_us);

-- What scripts send instead of a password.
CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    name         TEXT NOT NULL,         -- what it is for
    hash         TEXT NOT NULL UNIQUE,
    created_us   BIGINT NOT NULL,
    expires_us   BIGINT NOT NULL,
    last_used_us BIGINT,                -- to the minute
    revoked_us   BIGINT
);
CREATE INDEX tokens_by_user ON tokens (user_id, created_us);

-- One-time links: without user_id one that makes the first account, else one that sets that person's password.
CREATE TABLE setup_links (
    hash       TEXT PRIMARY KEY,
    user_id    TEXT REFERENCES users (id),
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    used_us    BIGINT
);

-- Who did it; empty in rows that are older than accounts.
ALTER TABLE jobs ADD COLUMN created_by TEXT REFERENCES users (id);
ALTER TABLE jobs ADD COLUMN started_by TEXT REFERENCES users (id);
ALTER TABLE releases ADD COLUMN by_user TEXT REFERENCES users (id);
