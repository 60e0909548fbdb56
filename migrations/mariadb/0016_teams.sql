-- The teams that an agent is in, separated by commas.
ALTER TABLE agents ADD COLUMN teams VARCHAR(1024) NOT NULL DEFAULT '';
