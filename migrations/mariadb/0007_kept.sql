-- What responders keep in a conversation between turns, as JSON: the question that one asked back, attributes.
ALTER TABLE conversations ADD COLUMN kept MEDIUMTEXT;
