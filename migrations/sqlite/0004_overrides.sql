-- A reviewer's word on a model, who may not give it, and moves of anchors. The same tables exist for PostgreSQL in ../postgres.

-- What lets a model out that its verdict alone does not. grounds: what it outweighs, for nothing else was looked at.
CREATE TABLE overrides (
    id         TEXT PRIMARY KEY,
    project    TEXT NOT NULL REFERENCES projects (id),
    model      TEXT NOT NULL REFERENCES models (id),
    by_user    TEXT NOT NULL REFERENCES users (id),
    reason     TEXT NOT NULL,
    verdict    TEXT NOT NULL,   -- what the gate had said
    grounds    TEXT NOT NULL,   -- JSON
    created_us BIGINT NOT NULL
);
CREATE INDEX overrides_by_model ON overrides (model, created_us);

-- The word that a release rests on; empty where it needs none. In rows that are older than this table, whoever published
-- gave the reason.
ALTER TABLE releases ADD COLUMN override_id TEXT REFERENCES overrides (id);

-- A release of action 'anchor' moves the channel's anchor alone, to this release.
ALTER TABLE releases ADD COLUMN anchors TEXT REFERENCES releases (id);

-- The job whose model had its dial turned or its rows refitted: whose job that was does not override this one's verdict
-- either. Of older jobs nobody wrote it down.
ALTER TABLE jobs ADD COLUMN source TEXT REFERENCES jobs (id);

CREATE TRIGGER overrides_stay BEFORE UPDATE ON overrides
    BEGIN SELECT RAISE(ABORT, 'overrides are immutable'); END;
CREATE TRIGGER overrides_last BEFORE DELETE ON overrides
    BEGIN SELECT RAISE(ABORT, 'overrides are immutable'); END;
