-- The last seq that the visitor has seen of the conversation: what stands after it is unread.
ALTER TABLE conversations ADD COLUMN seen_seq BIGINT NOT NULL DEFAULT 0;
