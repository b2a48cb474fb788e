-- Where a thread's comments and names went when it was merged into another.
ALTER TABLE thread ADD COLUMN merged_into TEXT REFERENCES thread (id);
