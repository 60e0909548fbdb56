-- The newest conversations, for the console's list of all. It costs something once a conversation, not once a message.
CREATE INDEX conversations_created_at ON conversations (created_at);
