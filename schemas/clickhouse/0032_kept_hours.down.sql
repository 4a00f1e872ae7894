DROP VIEW v_session_hours;

DROP VIEW v_cell_hours;

DROP VIEW v_hours;

DROP TABLE session_hours;

DROP TABLE cell_hours;

DROP VIEW session_hours_touch;

DROP VIEW cell_hours_touch;

DROP TABLE hour_notes;
