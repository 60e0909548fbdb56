-- The teams that an agent is in, separated by commas.
ALTER TABLE agents ADD COLUMN teams TEXT NOT NULL DEFAULT '';
