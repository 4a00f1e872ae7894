-- What the expectation of a flag is made of, so that a figure can be told apart from one of an older baseline.
ALTER TABLE flag_events ADD COLUMN baseline_version LowCardinality(String) COMMENT 'version of what expected is made of; empty where the rule rests on none' AFTER rule_version;

DROP VIEW v_flag_events;

CREATE VIEW v_flag_events AS SELECT * EXCEPT (version) FROM flag_events FINAL;
