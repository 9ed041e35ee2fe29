-- The main job: datasets, jobs, models, channels. Read this first: it is the map of what Rehead remembers.
--
-- The same tables exist for SQLite in ../sqlite. Identifiers and JSON are TEXT, times BIGINT microseconds since
-- 1970 (UTC). Every table has its project, so that whatever is asked can be asked for one project only. Tables whose
-- rows are facts (versions, models, evaluations, releases, events) refuse UPDATE and DELETE by trigger.

-- What one product team works in.
CREATE TABLE projects (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    n_versions BIGINT NOT NULL DEFAULT 0,   -- dataset versions made: splits are decided by compare-and-swap on it
    created_us BIGINT NOT NULL
);

-- A rapid response: somebody needs a class by due_us. Datasets, jobs and releases point here.
CREATE TABLE requests (
    id        TEXT PRIMARY KEY,
    project   TEXT NOT NULL REFERENCES projects (id),
    title     TEXT NOT NULL,
    opened_us BIGINT NOT NULL,
    due_us    BIGINT NOT NULL,
    closed_us BIGINT
);
CREATE INDEX requests_by_project ON requests (project, opened_us);

-- Stored images, by the digest of their bytes. split and grp are empty until a dataset version first holds the image,
-- and never change afterwards: an image that was trained on can never certify.
CREATE TABLE images (
    project    TEXT NOT NULL REFERENCES projects (id),
    digest     TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    width      BIGINT NOT NULL,
    height     BIGINT NOT NULL,
    hash       TEXT NOT NULL,   -- perceptual hash, for near-duplicates
    split      TEXT,            -- train, calibration or sealed
    grp        TEXT,            -- near-duplicate group: the smallest digest in it
    created_us BIGINT NOT NULL,
    PRIMARY KEY (project, digest)
);

CREATE TABLE datasets (
    id         TEXT PRIMARY KEY,
    project    TEXT NOT NULL REFERENCES projects (id),
    name       TEXT NOT NULL,
    request    TEXT REFERENCES requests (id),
    created_us BIGINT NOT NULL,
    UNIQUE (project, name)
);

-- An immutable snapshot; number counts 1, 2, 3, … within the dataset.
CREATE TABLE dataset_versions (
    id         TEXT PRIMARY KEY,
    project    TEXT NOT NULL REFERENCES projects (id),
    dataset    TEXT NOT NULL REFERENCES datasets (id),
    number     BIGINT NOT NULL,
    digest     TEXT NOT NULL,   -- of the sorted rows
    n_images   BIGINT NOT NULL,
    classes    TEXT NOT NULL,   -- JSON: images per class and split
    findings   TEXT NOT NULL,   -- JSON: what was noticed
    created_us BIGINT NOT NULL,
    UNIQUE (dataset, number)
);

CREATE TABLE dataset_rows (
    project TEXT NOT NULL REFERENCES projects (id),
    version TEXT NOT NULL REFERENCES dataset_versions (id),
    image   TEXT NOT NULL,
    class   TEXT NOT NULL,
    split   TEXT NOT NULL,
    grp     TEXT NOT NULL,
    PRIMARY KEY (version, image)
);

-- A retraining run. A claim is a lease, never an open transaction: worker and attempt fence every later write.
CREATE TABLE jobs (
    id               TEXT PRIMARY KEY,
    project          TEXT NOT NULL REFERENCES projects (id),
    request          TEXT REFERENCES requests (id),
    spec             TEXT NOT NULL,             -- JSON; frozen once the job is queued
    state            TEXT NOT NULL,
    stage            TEXT,
    progress_done    BIGINT NOT NULL DEFAULT 0,
    progress_total   BIGINT NOT NULL DEFAULT 0,
    stage_times      TEXT NOT NULL DEFAULT '',  -- 'fetch:12,extract:3400,' of the current attempt
    attempt          BIGINT NOT NULL DEFAULT 0,
    worker           TEXT,
    lease_until_us   BIGINT,
    cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
    error            TEXT,
    verdict          TEXT,                      -- JSON: the verdict without its evidence
    model            TEXT,
    last_event       BIGINT NOT NULL DEFAULT 0,
    created_us       BIGINT NOT NULL,
    queued_us        BIGINT,
    started_us       BIGINT,
    finished_us      BIGINT
);
CREATE INDEX jobs_by_project ON jobs (project, created_us);
CREATE INDEX jobs_to_claim ON jobs (state, queued_us);

-- What happened to a job, in order; pages follow these rows. seq counts up within the job and is given out together with
-- the row that it belongs to, so that a reader who has seen n has seen everything before n.
CREATE TABLE job_events (
    project TEXT NOT NULL REFERENCES projects (id),
    job     TEXT NOT NULL REFERENCES jobs (id),
    seq     BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    at_us   BIGINT NOT NULL,
    kind    TEXT NOT NULL,      -- JSON
    PRIMARY KEY (job, seq)
);

-- A model; its files lie in the object store under job and attempt.
CREATE TABLE models (
    id         TEXT PRIMARY KEY,
    project    TEXT NOT NULL REFERENCES projects (id),
    job        TEXT NOT NULL UNIQUE REFERENCES jobs (id),
    attempt    BIGINT NOT NULL,
    digest     TEXT NOT NULL,   -- of its manifest
    body       TEXT NOT NULL,   -- JSON: the model as the API shows it
    created_us BIGINT NOT NULL
);
CREATE INDEX models_by_project ON models (project, created_us);

-- The gate's verdict on a model, with its evidence. The report behind it is a file of the model.
CREATE TABLE evaluations (
    model      TEXT PRIMARY KEY REFERENCES models (id),
    project    TEXT NOT NULL REFERENCES projects (id),
    policy     TEXT NOT NULL,   -- digest
    state      TEXT NOT NULL,
    verdict    TEXT NOT NULL,   -- JSON
    created_us BIGINT NOT NULL
);

-- A name that clients follow. Moves by compare-and-swap on release only.
CREATE TABLE channels (
    project    TEXT NOT NULL REFERENCES projects (id),
    name       TEXT NOT NULL,
    release    TEXT,            -- the current one; empty before the first
    n_releases BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (project, name)
);

-- Every move of every channel, for ever.
CREATE TABLE releases (
    id              TEXT PRIMARY KEY,
    project         TEXT NOT NULL REFERENCES projects (id),
    channel         TEXT NOT NULL,
    number          BIGINT NOT NULL,
    model           TEXT NOT NULL REFERENCES models (id),
    previous_model  TEXT REFERENCES models (id),
    action          TEXT NOT NULL,
    undoes          TEXT REFERENCES releases (id),
    verdict         TEXT NOT NULL,
    override_reason TEXT,
    note            TEXT NOT NULL,
    request         TEXT REFERENCES requests (id),
    created_us      BIGINT NOT NULL,
    UNIQUE (project, channel, number)
);

-- SQLite's json_each takes text; with this one here too, bulk statements read the same on both engines.
CREATE FUNCTION json_each(document TEXT) RETURNS TABLE (key TEXT, value JSON)
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT key, value FROM pg_catalog.json_each(document::json)';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END $$;

CREATE TRIGGER dataset_versions_stay BEFORE UPDATE OR DELETE ON dataset_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change('dataset versions are immutable');
CREATE TRIGGER dataset_rows_stay BEFORE UPDATE OR DELETE ON dataset_rows
    FOR EACH ROW EXECUTE FUNCTION refuse_change('dataset versions are immutable');
CREATE TRIGGER job_events_stay BEFORE UPDATE OR DELETE ON job_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change('events are immutable');
CREATE TRIGGER models_stay BEFORE UPDATE OR DELETE ON models
    FOR EACH ROW EXECUTE FUNCTION refuse_change('models are immutable');
CREATE TRIGGER evaluations_stay BEFORE UPDATE OR DELETE ON evaluations
    FOR EACH ROW EXECUTE FUNCTION refuse_change('evaluations are immutable');
CREATE TRIGGER releases_stay BEFORE UPDATE OR DELETE ON releases
    FOR EACH ROW EXECUTE FUNCTION refuse_change('the release log is append-only');
CREATE TRIGGER images_keep_their_split BEFORE UPDATE OF split, grp ON images FOR EACH ROW
    WHEN (OLD.split IS NOT NULL AND (NEW.split IS DISTINCT FROM OLD.split OR NEW.grp IS DISTINCT FROM OLD.grp))
    EXECUTE FUNCTION refuse_change('the split of an image never changes');
