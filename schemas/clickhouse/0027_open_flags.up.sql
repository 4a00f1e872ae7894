-- The few flags that are open are found among those of three years without reading all of them.
ALTER TABLE flags ADD INDEX by_open toUInt8(cleared = 0 AND ended = 0) TYPE minmax GRANULARITY 1;

ALTER TABLE flags MATERIALIZE INDEX by_open SETTINGS mutations_sync = 2;
