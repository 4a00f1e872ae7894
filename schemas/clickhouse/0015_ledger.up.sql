-- The ledger of flags, filled from its topic and replaced by its number; and who looked at what.
CREATE TABLE ledger
(
    seq        UInt64 COMMENT 'number in the chain, from 0',
    entry_id   String COMMENT 'identity of the entry: written once, however often it is asked for',
    flag_id    String COMMENT 'the flag that it is about',
    kind       LowCardinality(String) COMMENT 'opened, graded, over, level, held, acked, appealed, upheld, overturned, corrected or cleared',
    at         DateTime64(3, 'UTC') COMMENT 'when it was written',
    actor      String COMMENT 'account; clerk is the program itself',
    role       LowCardinality(String) COMMENT 'role of the account',
    why        String CODEC(ZSTD(3)) COMMENT 'reason given',
    details    String CODEC(ZSTD(3)) COMMENT 'what else the entry says, JSON',
    prev       String COMMENT 'hash of the entry before, hexadecimal',
    hash       String COMMENT 'SHA-256 of prev and the entry, hexadecimal',
    version    UInt64 COMMENT 'when the row was filled in, ms; the highest is read'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(at)
ORDER BY seq
TTL toDateTime(at) + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 0;

CREATE VIEW v_ledger AS SELECT * EXCEPT (version) FROM ledger FINAL;

-- The file of each flag as the ledger has it now.
CREATE VIEW v_flag_files AS
SELECT
    flag_id,
    anyIf(JSONExtractString(details, 'rule'), kind = 'opened') AS rule,
    anyIf(JSONExtractString(details, 'platform_id'), kind = 'opened') AS platform_id,
    anyIf(JSONExtractString(details, 'district'), kind = 'opened') AS district,
    minIf(at, kind = 'opened') AS opened_at,
    transform(argMaxIf(kind, seq, kind IN ('opened', 'acked', 'appealed', 'upheld', 'overturned', 'corrected', 'cleared')),
        ['opened', 'acked', 'appealed', 'upheld', 'overturned', 'corrected', 'cleared'],
        ['OPEN', 'ACKED', 'APPEALED', 'UPHELD', 'OVERTURNED', 'CORRECTED', 'CLEARED'], '') AS file_state,
    argMaxIf(JSONExtractString(details, 'level'), seq, kind = 'level') AS level,
    toUInt8(argMaxIf(JSONExtractBool(details, 'shadow'), seq, kind = 'level')) AS shadow,
    if(countIf(kind = 'level') = 0, argMaxIf(JSONExtractString(details, 'held'), seq, kind = 'held'), '') AS held,
    if(countIf(kind = 'level') = 0, NULL, minIf(at, kind = 'level')) AS noticed_at,
    if(countIf(kind = 'acked') = 0, NULL, minIf(at, kind = 'acked')) AS acked_at,
    if(countIf(kind = 'appealed') = 0, NULL, minIf(at, kind = 'appealed')) AS appealed_at,
    if(countIf(kind IN ('upheld', 'overturned', 'corrected')) = 0, NULL, minIf(at, kind IN ('upheld', 'overturned', 'corrected'))) AS decided_at,
    upper(anyIf(kind, kind IN ('upheld', 'overturned', 'corrected'))) AS decision,
    if(countIf(kind = 'cleared') = 0, NULL, minIf(at, kind = 'cleared')) AS cleared_at,
    toUInt8(countIf(kind = 'overturned') = 0) AS counted
FROM (SELECT * FROM ledger FINAL)
GROUP BY flag_id
HAVING countIf(kind = 'opened') > 0;

-- What any count of flags counts: an overturned one is not in it, and stays in v_flags and in the ledger.
CREATE VIEW v_flags_counted AS
SELECT f.*
FROM v_flags AS f
WHERE f.flag_id NOT IN (SELECT flag_id FROM ledger WHERE kind = 'overturned');

CREATE TABLE access_log
(
    access_id  String COMMENT 'random',
    asked_at   DateTime64(3, 'UTC') COMMENT 'when it was asked',
    account    String COMMENT 'account; empty where none was proven',
    account_role LowCardinality(String) COMMENT 'role of the account',
    bound_to   LowCardinality(String) COMMENT 'platform or district that the account is bound to; empty is none',
    via        LowCardinality(String) COMMENT 'password, token, session or proxy',
    method     LowCardinality(String) COMMENT 'of the request',
    route      LowCardinality(String) COMMENT 'what was asked for, without its values',
    asked_flag String COMMENT 'flag that was asked for; empty is none, or several',
    http_status UInt16 COMMENT 'HTTP status of the answer',
    shown      UInt32 COMMENT 'flags or rows in the answer',
    client     String COMMENT 'address of the client',
    version    UInt64 COMMENT 'when the row was filled in, ms; the highest is read'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(asked_at)
ORDER BY (asked_at, access_id)
TTL toDateTime(asked_at) + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 0;

CREATE VIEW v_access AS SELECT * EXCEPT (version) FROM access_log FINAL;
