DROP VIEW IF EXISTS v_calibrations;

DROP TABLE IF EXISTS calibrations;
