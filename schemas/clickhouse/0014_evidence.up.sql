-- What a flag's statistic was computed from, stored with the decision; and the district of its entity.
ALTER TABLE flag_events ADD COLUMN district LowCardinality(String) COMMENT 'district of the entity, GB/T 2260; empty where there is none, or several' AFTER category;

ALTER TABLE flag_events ADD COLUMN evidence String CODEC(ZSTD(6)) COMMENT 'inputs of the statistic at the decision, JSON; empty where the rule stores none' AFTER sentence_en;

DROP VIEW v_flag_events;

CREATE VIEW v_flag_events AS SELECT * EXCEPT (version) FROM flag_events FINAL;
