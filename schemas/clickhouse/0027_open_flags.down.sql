ALTER TABLE flags DROP INDEX by_open SETTINGS mutations_sync = 2;
