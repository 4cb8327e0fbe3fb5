package sqlstore

import "strings"

// The hot verbs on PostgreSQL are functions, so that each is one round trip. They decide as the methods of
// [verify.Record] do. A function is never replaced: another migration makes another, named after its version, and
// the previous release goes on with its own. Their bodies hold no question mark, which would be a placeholder.

// recordFields are the columns of a record as the functions of migration 4 return them.
var recordFields = []string{
	"tenant text", "id text", "version bigint", "kind text", "state text", "delivery bigint", "method text", "channel text",
	"subject text", "action text", "technician text", "ticket_system text", "ticket_id text", "assurance bigint",
	"key_id text", "sealed bytea", "tries bigint", "max_tries bigint", "sends bigint", "messages bigint",
	"lock_after bigint", "hinted bigint", "refund text", "receipt_id text", "created_at bigint", "expires_at bigint",
	"decided_at bigint", "proof_until bigint", "redeemed_by text", "redeemed_at bigint", "answerer text",
	"needs_approval bigint", "approved_by text", "approved_at bigint", "mac bytea", "word_mac bytea",
}

// insertFields are the columns that a new challenge is given, in the order of insertArgs.
var insertFields = []string{
	"tenant text", "id text", "version bigint", "kind text", "state text", "delivery bigint", "method text", "channel text",
	"subject text", "action text", "technician text", "ticket_system text", "ticket_id text", "assurance bigint",
	"key_id text", "sealed bytea", "tries bigint", "max_tries bigint", "sends bigint", "messages bigint",
	"lock_after bigint", "hinted bigint", "refund text", "receipt_id text", "created_at bigint", "expires_at bigint",
	"decided_at bigint", "proof_until bigint", "redeemed_by text", "redeemed_at bigint", "mac bytea", "word_mac bytea",
	"idempotency text", "fingerprint text", "answerer text", "needs_approval bigint",
}

// each joins the names of fields, each behind before.
func each(fields []string, before string) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		name, _, _ := strings.Cut(f, " ")
		out[i] = before + name
	}
	return strings.Join(out, ", ")
}

// emits stores an event of the record whose fields begin with of; the others are expressions.
func emits(of, id, kind, by, reason string) string {
	return `INSERT INTO {t}verify_events (id, kind, happened_at, tenant, challenge, verifies, subject, action, technician,
		ticket_system, ticket_id, channel, method, assurance, state, tries, sends, caused_by, reason) VALUES (` +
		id + `, ` + kind + `, p_now, ` +
		strings.ReplaceAll(`@tenant, @id, @kind, @subject, @action, @technician, @ticket_system, @ticket_id, @channel, @method,
		@assurance, @state, @tries, @sends, `, "@", of) + by + `, ` + reason + `);`
}

const (
	// committed refuses every other level: there, what is read after waiting for the lock is older than the lock.
	committed = `
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		RAISE EXCEPTION 'mspkit: the isolation level is %, it must be read committed', current_setting('transaction_isolation')
			USING ERRCODE = 'invalid_transaction_state', HINT = 'Set default_transaction_isolation back for this connection.';
	END IF;`
	// changed follows an update whose condition says what was read: where the row is another by now, whoever changed it holds
	// another lock, because their options name the same tables in another way. Everything is undone and run again.
	changed = `
	IF NOT FOUND THEN
		RAISE EXCEPTION 'mspkit: the challenge was changed at the same moment' USING ERRCODE = 'serialization_failure';
	END IF;`
	locks = `
	PERFORM pg_advisory_xact_lock(p_lock);`
	event4  = `p_event text, p_event_kind text, p_by text, p_reason text`
	record4 = `RETURNS SETOF {t}verify_record_4 LANGUAGE plpgsql AS $$`
)

// loads reads a record with its subject into r and ends the function where there is none.
func loads() string {
	return `
	SELECT '', COALESCE(s.failures, 0), COALESCE(s.frozen_until, 0), ` + each(recordFields, "c.") + ` INTO r
		FROM {t}verify_challenges c LEFT JOIN {t}verify_subjects s ON s.tenant = c.tenant AND s.subject = c.subject
		WHERE c.tenant = p_tenant AND c.id = p_id;
	IF NOT FOUND THEN
		RETURN;
	END IF;`
}

// functions4 are the functions and triggers of migration 4.
func functions4() []string {
	return []string{
		`CREATE TYPE {t}verify_record_4 AS (verdict text, failures bigint, frozen_until bigint, ` + strings.Join(recordFields, ", ") + `)`,
		begin4(), sent4(), attempt4(), finish4(), redeem4(),
	}
}

// begin4 checks all limits before it writes, so that a refusal writes nothing. Another tenant that counts the same
// global counter at that moment is found afterwards, and then everything is undone and run again.
func begin4() string {
	return `CREATE FUNCTION {t}verify_begin_4(p_lock bigint, p_now bigint, p_limits text, ` + event4 + `, p_` +
		strings.Join(insertFields, ", p_") + `, OUT verdict text, OUT place bigint, OUT wait bigint) LANGUAGE plpgsql AS $$
DECLARE
	l record;
	known text;
	counts bigint;
	ends bigint;
BEGIN` + committed + locks + `
	place := 0;
	wait := 0;
	IF p_idempotency IS NOT NULL THEN
		SELECT c.fingerprint INTO known FROM {t}verify_challenges c WHERE c.tenant = p_tenant AND c.idempotency = p_idempotency;
		IF FOUND THEN
			verdict := CASE WHEN known = p_fingerprint THEN 'existing' ELSE 'conflict' END;
			RETURN;
		END IF;
	END IF;
	SELECT COALESCE(MAX(s.failures), 0), COALESCE(MAX(s.frozen_until), 0) INTO counts, ends
		FROM {t}verify_subjects s WHERE s.tenant = p_tenant AND s.subject = p_subject;
	IF ends > p_now THEN
		verdict := 'frozen';
		RETURN;
	END IF;
	IF counts >= p_lock_after THEN
		verdict := 'locked';
		RETURN;
	END IF;
	IF p_limits <> '' THEN
		FOR l IN SELECT * FROM json_to_recordset(CAST(p_limits AS json)) AS x(k text, m bigint, w bigint) LOOP
			SELECT c.ends_at INTO ends FROM {t}verify_limits c WHERE c.name = l.k AND c.counted >= l.m AND c.ends_at > p_now;
			IF FOUND OR l.m < 1 THEN
				verdict := 'limited';
				wait := CASE WHEN l.m < 1 THEN l.w ELSE ends - p_now END;
				RETURN;
			END IF;
			place := place + 1;
		END LOOP;
	END IF;
	INSERT INTO {t}verify_challenges (` + each(insertFields, "") + `) VALUES (` + each(insertFields, "p_") + `)
		ON CONFLICT (tenant, id) DO NOTHING;
	IF NOT FOUND THEN
		verdict := 'conflict';
		RETURN;
	END IF;
	` + emits("p_", "p_event", "p_event_kind", "p_by", "p_reason") + `
	IF p_limits <> '' THEN
		FOR l IN SELECT * FROM json_to_recordset(CAST(p_limits AS json)) AS x(k text, m bigint, w bigint, i text, d text, b text, n text) LOOP
			INSERT INTO {t}verify_limits AS c (name, counted, ends_at) VALUES (l.k, 1, p_now + l.w)
				ON CONFLICT (name) DO UPDATE SET
					counted = CASE WHEN c.ends_at <= p_now THEN 1 ELSE c.counted + 1 END,
					ends_at = CASE WHEN c.ends_at <= p_now THEN excluded.ends_at ELSE c.ends_at END
				RETURNING c.counted INTO counts;
			IF counts > l.m THEN
				RAISE EXCEPTION 'mspkit: a limit was reached at the same moment' USING ERRCODE = 'serialization_failure';
			END IF;
			IF counts = l.m AND l.i IS NOT NULL THEN
				` + emits("p_", "l.i", "l.d", "l.b", "l.n") + `
			END IF;
		END LOOP;
	END IF;
	verdict := 'done';
END $$`
}

func sent4() string {
	return `CREATE FUNCTION {t}verify_sent_4(p_lock bigint, p_now bigint, p_tenant text, p_id text, p_receipt text, p_delivery bigint, ` + event4 + `)
` + record4 + `
DECLARE
	r {t}verify_record_4;
BEGIN` + committed + locks + loads() + `
	r.verdict := 'done';
	IF p_delivery > r.delivery THEN
		r.delivery := p_delivery;
		r.receipt_id := p_receipt;
		UPDATE {t}verify_challenges SET delivery = r.delivery, receipt_id = r.receipt_id WHERE tenant = p_tenant AND id = p_id;
		` + emits("r.", "p_event", "p_event_kind", "p_by", "p_reason") + `
	ELSIF r.receipt_id = '' AND p_receipt <> '' THEN
		r.receipt_id := p_receipt;
		UPDATE {t}verify_challenges SET receipt_id = r.receipt_id WHERE tenant = p_tenant AND id = p_id;
	END IF;
	RETURN NEXT r;
END $$`
}

func attempt4() string {
	return `CREATE FUNCTION {t}verify_attempt_4(p_lock bigint, p_now bigint, p_tenant text, p_id text, p_method text, p_technician text,
	p_answerers text, ` + event4 + `, p_locked text, p_locked_kind text)
` + record4 + `
DECLARE
	r {t}verify_record_4;
	fits boolean;
BEGIN` + committed + locks + loads() + `
	r.verdict := 'done';
	fits := CASE
		WHEN p_technician <> '' THEN p_technician = r.technician
		WHEN r.answerer = '' THEN p_answerers = ''
		WHEN p_answerers = '' THEN false
		ELSE CAST(p_answerers AS jsonb) @> pg_catalog.to_jsonb(r.answerer)
	END;
	IF NOT fits OR p_method <> r.method OR r.state <> 'pending' OR p_now >= r.expires_at OR r.tries >= r.max_tries
			OR r.frozen_until > p_now OR r.failures >= r.lock_after THEN
		r.mac := NULL;
		r.word_mac := NULL;
		RETURN NEXT r;
		RETURN;
	END IF;
	r.tries := r.tries + 1;
	UPDATE {t}verify_challenges SET tries = r.tries
		WHERE tenant = p_tenant AND id = p_id AND version = r.version AND tries = r.tries - 1;` + changed + `
	IF r.kind = 'caller' THEN
		r.failures := r.failures + 1;
		INSERT INTO {t}verify_subjects (tenant, subject, failures, frozen_until) VALUES (r.tenant, r.subject, r.failures, r.frozen_until)
			ON CONFLICT (tenant, subject) DO UPDATE SET failures = excluded.failures;
	END IF;
	` + emits("r.", "p_event", "p_event_kind", "p_by", "p_reason") + `
	IF r.kind = 'caller' AND r.failures = r.lock_after THEN
		` + emits("r.", "p_locked", "p_locked_kind", "p_by", "''") + `
	END IF;
	RETURN NEXT r;
END $$`
}

func finish4() string {
	return `CREATE FUNCTION {t}verify_finish_4(p_lock bigint, p_now bigint, p_tenant text, p_id text, p_version bigint, p_state text,
	p_proof_until bigint, ` + event4 + `, p_freeze_until bigint, p_freeze text, p_freeze_kind text, p_freeze_by text, p_freeze_reason text)
` + record4 + `
DECLARE
	r {t}verify_record_4;
	failures_were bigint;
	frozen_was bigint;
	counter text;
BEGIN` + committed + locks + loads() + `
	r.verdict := CASE
		WHEN r.state <> 'pending' THEN 'not pending'
		WHEN r.version <> p_version THEN 'conflict'
		WHEN p_state = 'confirmed' AND p_now >= r.expires_at THEN 'not pending'
		WHEN p_state = 'confirmed' AND r.frozen_until > p_now THEN 'frozen'
		ELSE 'done'
	END;
	IF r.verdict <> 'done' THEN
		RETURN NEXT r;
		RETURN;
	END IF;
	r.version := r.version + 1;
	r.state := p_state;
	r.decided_at := p_now;
	r.proof_until := p_proof_until;
	failures_were := r.failures;
	frozen_was := r.frozen_until;
	IF p_state = 'confirmed' AND r.kind = 'caller' THEN
		r.failures := 0;
	END IF;
	r.frozen_until := GREATEST(r.frozen_until, p_freeze_until);
	IF p_state = 'confirmed' AND r.refund <> '' THEN
		FOR counter IN SELECT x FROM json_array_elements_text(CAST(r.refund AS json)) AS x LOOP
			UPDATE {t}verify_limits SET counted = counted - 1 WHERE name = counter AND counted > 0 AND ends_at > p_now;
		END LOOP;
	END IF;
	UPDATE {t}verify_challenges SET version = r.version, state = r.state, decided_at = r.decided_at, proof_until = r.proof_until
		WHERE tenant = p_tenant AND id = p_id AND version = r.version - 1;` + changed + `
	` + emits("r.", "p_event", "p_event_kind", "p_by", "p_reason") + `
	IF p_freeze_until <> 0 THEN
		` + emits("r.", "p_freeze", "p_freeze_kind", "p_freeze_by", "p_freeze_reason") + `
	END IF;
	IF r.failures = failures_were AND r.frozen_until = frozen_was THEN
		NULL;
	ELSIF r.failures = 0 AND r.frozen_until = 0 THEN
		DELETE FROM {t}verify_subjects WHERE tenant = r.tenant AND subject = r.subject;
	ELSE
		INSERT INTO {t}verify_subjects (tenant, subject, failures, frozen_until) VALUES (r.tenant, r.subject, r.failures, r.frozen_until)
			ON CONFLICT (tenant, subject) DO UPDATE SET failures = excluded.failures, frozen_until = excluded.frozen_until;
	END IF;
	RETURN NEXT r;
END $$`
}

// redeem4 looks without the lock first: whoever may not redeem changes nothing, so what was true then is an answer.
// A crowd that comes too late keeps nobody of the tenant waiting.
func redeem4() string {
	return `CREATE FUNCTION {t}verify_redeem_4(p_lock bigint, p_now bigint, p_tenant text, p_id text, p_redeemer text, ` + event4 + `)
` + record4 + `
DECLARE
	r {t}verify_record_4;
BEGIN` + committed + `
	FOR look IN 1..2 LOOP
		IF look = 2 THEN` + locks + `
		END IF;` + loads() + `
		r.verdict := CASE
			WHEN r.state <> 'confirmed' OR r.kind <> 'caller' THEN 'no proof'
			WHEN r.frozen_until > p_now THEN 'frozen'
			WHEN p_now >= r.proof_until THEN 'proof expired'
			WHEN r.needs_approval <> 0 AND r.approved_by = '' THEN 'unapproved'
			WHEN r.redeemed_by = p_redeemer THEN 'done'
			WHEN r.redeemed_by <> '' THEN 'redeemed'
			ELSE 'first'
		END;
		IF r.verdict <> 'first' THEN
			RETURN NEXT r;
			RETURN;
		END IF;
	END LOOP;
	r.verdict := 'done';
	r.version := r.version + 1;
	r.redeemed_by := p_redeemer;
	r.redeemed_at := p_now;
	UPDATE {t}verify_challenges SET version = r.version, redeemed_by = r.redeemed_by, redeemed_at = r.redeemed_at
		WHERE tenant = p_tenant AND id = p_id AND version = r.version - 1;` + changed + `
	` + emits("r.", "p_event", "p_event_kind", "p_by", "p_reason") + `
	RETURN NEXT r;
END $$`
}
