-- A number for each event, for the SQL view chat_message: others want to name a row by one integer. This copies the
-- table once; meanwhile nothing is written to it.
ALTER TABLE events ADD COLUMN number BIGINT NOT NULL AUTO_INCREMENT, ADD UNIQUE KEY events_number (number);
