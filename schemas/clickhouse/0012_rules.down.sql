DROP VIEW v_flag_events;

ALTER TABLE flag_events DROP COLUMN baseline_version;

CREATE VIEW v_flag_events AS SELECT * EXCEPT (version) FROM flag_events FINAL;
