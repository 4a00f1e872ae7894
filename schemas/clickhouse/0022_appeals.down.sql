DROP VIEW IF EXISTS v_ledger_appeals;
