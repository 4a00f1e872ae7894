DROP VIEW IF EXISTS v_flags;
DROP VIEW IF EXISTS v_flag_events;
DROP TABLE IF EXISTS flag_events;
