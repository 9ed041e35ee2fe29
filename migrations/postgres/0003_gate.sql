-- The gate: a project's own policies, the heads it judged, and the release that a channel's losses add up from. The same
-- tables exist for SQLite in ../sqlite.

-- A project's policies; version counts 1, 2, 3, … within the name, and the latest is what its name means. Jobs hold a copy.
CREATE TABLE policies (
    project    TEXT NOT NULL REFERENCES projects (id),
    name       TEXT NOT NULL,
    version    BIGINT NOT NULL,
    digest     TEXT NOT NULL,
    body       TEXT NOT NULL,   -- JSON
    by_user    TEXT REFERENCES users (id),
    created_us BIGINT NOT NULL,
    PRIMARY KEY (project, name, version)
);

-- Each head judged on sealed photos is a look at them; the gate counts them. seq is given out under the lock of the
-- project's row, so that of two heads judged at once the later one sees the earlier one.
CREATE TABLE looks (
    project     TEXT NOT NULL REFERENCES projects (id),
    seq         BIGINT NOT NULL,
    job         TEXT NOT NULL REFERENCES jobs (id),
    head        TEXT NOT NULL,      -- names the head wherever its dial stands
    new_classes TEXT NOT NULL,      -- JSON
    groups_json TEXT NOT NULL,      -- JSON: groups that count, by class
    alpha       DOUBLE PRECISION NOT NULL,  -- the level it was judged at
    created_us  BIGINT NOT NULL,
    PRIMARY KEY (project, seq)
);
ALTER TABLE projects ADD COLUMN n_looks BIGINT NOT NULL DEFAULT 0;

-- How long stages took, and how much work that was: what a draft's time is foreseen from.
CREATE TABLE stage_rates (
    project     TEXT NOT NULL REFERENCES projects (id),
    job         TEXT NOT NULL REFERENCES jobs (id),
    kind        TEXT NOT NULL,
    units       BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    created_us  BIGINT NOT NULL
);
CREATE INDEX stage_rates_by_kind ON stage_rates (kind, created_us);

-- Small harms must not add up over releases: losses since this release are judged too. Empty: since the first one.
ALTER TABLE channels ADD COLUMN anchor TEXT REFERENCES releases (id);

CREATE TRIGGER policies_stay BEFORE UPDATE OR DELETE ON policies
    FOR EACH ROW EXECUTE FUNCTION refuse_change('policies are immutable');
CREATE TRIGGER looks_stay BEFORE UPDATE OR DELETE ON looks
    FOR EACH ROW EXECUTE FUNCTION refuse_change('looks are immutable');
