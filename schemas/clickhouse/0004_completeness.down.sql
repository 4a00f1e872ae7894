DROP VIEW IF EXISTS v_completeness;
DROP TABLE IF EXISTS completeness;
