-- All conversations of a visitor: for what is erased with them, and for a message that is sent once more after its
-- conversation was closed. The visitor of a conversation hardly ever changes, so this costs something once a
-- conversation, not once a message.
CREATE INDEX conversations_visitor ON conversations (visitor);
