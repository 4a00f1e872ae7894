DROP VIEW v_settled_indicator_values;

DROP VIEW v_settled_values_session;

DROP VIEW v_settled_sales;

DROP VIEW v_indicator_values;

DROP TABLE indicator_values;
