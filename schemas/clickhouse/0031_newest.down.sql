DROP VIEW v_indicator_days;

DROP VIEW indicator_days_fill;

DROP TABLE indicator_days;

DROP VIEW v_completeness_lanes;

DROP VIEW completeness_lanes_fill;

DROP TABLE completeness_lanes;
