-- Which photos a judged head learned its new classes from: two heads that learned the same compete for the same change,
-- whatever name the class goes by.
ALTER TABLE looks ADD COLUMN photos_json TEXT NOT NULL DEFAULT '[]';  -- JSON: some near-duplicate groups
