DROP VIEW IF EXISTS v_flag_wider;
