-- The ids as the SQL views show them: as text for whoever reads or compares them. Not of the type UUID, which takes
-- clients' ids for others, since it turns the parts of most around. Stored, so that an update of a head
-- does not work it out again.
ALTER TABLE conversations
    ADD COLUMN uuid CHAR(32) CHARACTER SET ascii COLLATE ascii_general_ci AS (LOWER(HEX(id))) PERSISTENT,
    ADD UNIQUE KEY conversations_uuid (uuid);
