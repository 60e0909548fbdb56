-- The ids as the SQL views show them: as text for whoever reads or compares them. Stored, since a virtual column with an
-- index costs a message three times as much.
ALTER TABLE conversations
    ADD COLUMN uuid UUID AS (CAST(id AS UUID)) PERSISTENT,
    ADD UNIQUE KEY conversations_uuid (uuid);
