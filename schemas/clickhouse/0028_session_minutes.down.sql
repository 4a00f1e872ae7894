DROP VIEW v_session_minutes;

DROP VIEW session_minutes_fill;

DROP TABLE session_minutes;
