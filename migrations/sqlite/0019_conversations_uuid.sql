-- The ids as the SQL views show them.
CREATE UNIQUE INDEX conversations_uuid ON conversations (lower(hex(id)));
