ALTER TABLE raw_viewers DROP INDEX by_session;
ALTER TABLE raw_orders DROP INDEX by_session;
ALTER TABLE raw_complaints DROP INDEX by_session;
ALTER TABLE raw_reviews DROP INDEX by_session;
