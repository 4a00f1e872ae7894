DROP VIEW IF EXISTS v_indicators_cell;
DROP VIEW IF EXISTS v_indicators_session;
DROP TABLE IF EXISTS indicators_cell;
DROP TABLE IF EXISTS indicators_session;
