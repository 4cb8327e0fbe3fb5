package sqlstore

// On PostgreSQL triggers do what must happen with every change, whichever release makes it.

// channel4 is the SQL of the channel's name in a schema: two installations in one database do not wake each other.
func channel4(schema string) string {
	return `'mspkit_' || left(encode(sha256(convert_to(` + schema + ` || '.{p}verify', 'UTF8')), 'hex'), 40)`
}

// triggers4 are the triggers of migration 4.
func triggers4() []string {
	out := []string{
		// Commits that notify wait for each other, so it is done only where somebody has asked for the channel, and ...
		`CREATE TABLE {t}verify_listening (id bigint NOT NULL PRIMARY KEY)`,
		`CREATE FUNCTION {t}verify_notify_4() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT 1 FROM {t}verify_listening) THEN
		PERFORM pg_notify(` + channel4("TG_TABLE_SCHEMA") + `, NEW.id);
	END IF;
	RETURN NULL;
END $$`,
		`CREATE FUNCTION {t}verify_notify_all_4() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify(` + channel4("TG_TABLE_SCHEMA") + `, c.id) FROM {t}verify_challenges c
		WHERE c.tenant = NEW.tenant AND c.subject = NEW.subject AND c.state = 'pending' AND EXISTS (SELECT 1 FROM {t}verify_listening);
	RETURN NULL;
END $$`,
		// ... only of what somebody waits for: not that a message was sent, which is before Start returns, nor that a
		// proof was redeemed, nor expiry, whose time a waiter knows.
		`CREATE TRIGGER {p}verify_notify_4 AFTER UPDATE ON {t}verify_challenges FOR EACH ROW
	WHEN (OLD.version <> NEW.version AND OLD.redeemed_at = NEW.redeemed_at AND NEW.state <> 'expired'
		OR OLD.hinted <> NEW.hinted OR OLD.delivery <> NEW.delivery AND NEW.delivery > 1)
	EXECUTE FUNCTION {t}verify_notify_4()`,
		// A subject that freezes or locks ends the waiting for all its open challenges.
		`CREATE TRIGGER {p}verify_notify_all_4 AFTER INSERT ON {t}verify_events FOR EACH ROW
	WHEN (NEW.kind IN ('frozen', 'locked')) EXECUTE FUNCTION {t}verify_notify_all_4()`,

		`CREATE FUNCTION {t}verify_durable_4() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'on', true);
	RETURN NULL;
END $$`,
	}
	for _, table := range []string{"challenges", "subjects", "factors", "chains"} {
		out = append(out, `CREATE TRIGGER {p}verify_durable_4 BEFORE INSERT OR UPDATE OR DELETE ON {t}verify_`+table+` FOR EACH STATEMENT
	WHEN (current_setting('synchronous_commit') = 'off') EXECUTE FUNCTION {t}verify_durable_4()`)
	}
	return out
}
