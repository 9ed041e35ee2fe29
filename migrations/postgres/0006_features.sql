-- Features: which segment of the object store holds whose row, and the arithmetic that a job began on. The same tables exist
-- for SQLite in ../sqlite.

-- A hint: what is lost here is found in the store again, and rows are taken by what their segment itself says. A space names
-- everything that a row depends on but the image. One row a segment, so that 100,000 images are a dozen rows.
CREATE TABLE feature_segments (
    space      TEXT NOT NULL,
    segment    TEXT NOT NULL,
    images     BYTEA NOT NULL,  -- digests of 32 bytes each, in order: the place of each is its row
    created_us BIGINT NOT NULL,
    PRIMARY KEY (space, segment)
);

-- Set by the first claim: whoever takes the job over computes as the one before did.
ALTER TABLE jobs ADD COLUMN kernel TEXT;
