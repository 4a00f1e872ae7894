DROP VIEW IF EXISTS v_flag_events;

ALTER TABLE flag_events DROP COLUMN evidence;

ALTER TABLE flag_events DROP COLUMN district;

CREATE VIEW v_flag_events AS SELECT * EXCEPT (version) FROM flag_events FINAL;
