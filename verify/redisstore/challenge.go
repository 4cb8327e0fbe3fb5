package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

// Begin implements [verify.Store]. Where a limit is global it takes two round trips, or three where it is refused.
func (s *Store) Begin(ctx context.Context, n verify.NewChallenge, limits []verify.Limit, now time.Time) (verify.Record, bool, error) {
	r := n.Record
	r.Version = 1
	g, err := s.countGlobal(ctx, limits, n.Stamp.ID, now)
	if err != nil {
		return verify.Record{}, false, wrap("begin", err)
	}
	// From here on an error of Redis leaves open what happened, so what was counted stays counted.
	a, err := s.db.Join(ctx, s.db.In(r.Tenant, beginScript, redisx.EncodeTime(now), s.channel(), encodeRecord(r, n.Idempotency),
		redisx.Pack(string(r.MAC), string(r.WordMAC)), n.Idempotency, n.Fingerprint, encodeStamp(n.Stamp), g.encode(limits, n.Stamp, now)))
	if err != nil {
		return verify.Record{}, false, wrap("begin", err)
	}
	existing := a.At(0) == "existing"
	if existing || a.At(0) != "ok" {
		s.giveBack(ctx, g, limits, n.Stamp.ID)
	}
	if a.At(0) == "limited" {
		return verify.Record{}, false, limited(a, limits, now)
	}
	if err := decided[a.At(0)]; err != nil {
		return verify.Record{}, false, err
	}
	r, err = decodeRecord(a.At(1))
	return r, existing, wrap("begin", err)
}

// Renew implements [verify.Store]. It counts like Begin.
func (s *Store) Renew(ctx context.Context, ref verify.Ref, version int64, n verify.Renewal, limits []verify.Limit, now time.Time) (verify.Record, error) {
	g, err := s.countGlobal(ctx, limits, n.Stamp.ID, now)
	if err != nil {
		return verify.Record{}, wrap("renew", err)
	}
	a, err := s.db.Join(ctx, s.on(renewScript, ref, n.Stamp, now, redisx.Number(version), n.KeyID, redisx.Pack(string(n.MAC), string(n.WordMAC)),
		string(n.Sealed), redisx.Number(n.MaxTries), redisx.EncodeTime(n.ExpiresAt), redisx.Flag(n.Send), g.encode(limits, n.Stamp, now)))
	if err != nil {
		return verify.Record{}, wrap("renew", err)
	}
	if a.At(0) != "ok" {
		s.giveBack(ctx, g, limits, n.Stamp.ID)
	}
	if a.At(0) == "limited" {
		return verify.Record{}, limited(a, limits, now)
	}
	if err := decided[a.At(0)]; err != nil {
		return verify.Record{}, err
	}
	r, err := decodeRecord(a.At(1))
	return r, wrap("renew", err)
}

// Attempt implements [verify.Store].
func (s *Store) Attempt(ctx context.Context, ref verify.Ref, t verify.Try, now time.Time) (verify.Record, verify.SubjectState, error) {
	a, err := s.do(ctx, "attempt", s.on(attemptScript, ref, t.Stamp, now, string(t.Method), t.Technician, redisx.Pack(t.Answerers...)))
	if err != nil {
		return verify.Record{}, verify.SubjectState{}, err
	}
	r, sub, err := decodeBoth(a)
	if err == nil && a.At(4) != "" {
		var macs []string
		if macs, err = redisx.Unpack(a.At(4), 2); err == nil {
			r.MAC, r.WordMAC = redisx.Bytes(macs[0]), redisx.Bytes(macs[1])
		}
	}
	if err != nil {
		return verify.Record{}, verify.SubjectState{}, wrap("attempt", err)
	}
	return r, sub, nil
}

// Finish implements [verify.Store]. Counts that are global are given back by DeleteExpired.
func (s *Store) Finish(ctx context.Context, ref verify.Ref, version int64, o verify.Outcome, now time.Time) (verify.Record, error) {
	return s.change(ctx, "finish", s.on(finishScript, ref, o.Stamp, now, redisx.Number(version), string(o.State), redisx.EncodeTime(o.ProofUntil),
		redisx.EncodeTime(o.FreezeUntil), encodeStamp(o.FreezeStamp)))
}

// Sent implements [verify.Store].
func (s *Store) Sent(ctx context.Context, ref verify.Ref, receiptID string, status verify.DeliveryStatus, st verify.Stamp, now time.Time) error {
	_, err := s.do(ctx, "sent", s.on(sentScript, ref, st, now, receiptID, redisx.Number(status)))
	return err
}

// Hint implements [verify.Store].
func (s *Store) Hint(ctx context.Context, ref verify.Ref, st verify.Stamp, now time.Time) error {
	_, err := s.do(ctx, "hint", s.on(hintScript, ref, st, now))
	return err
}

// Approve implements [verify.Store].
func (s *Store) Approve(ctx context.Context, ref verify.Ref, by string, st verify.Stamp, now time.Time) (verify.Record, error) {
	// Whether two ids are the same person's is decided here, where upper and lower case of every script are known. It does
	// not depend on the state that is read, because the record may be confirmed before the script runs.
	r, _, err := s.Get(ctx, ref)
	if err != nil {
		return verify.Record{}, err
	}
	same := ""
	if strings.EqualFold(by, r.Technician) {
		same = r.Technician
	}
	return s.change(ctx, "approve", s.on(approveScript, ref, st, now, by, same))
}

// Redeem implements [verify.Store].
func (s *Store) Redeem(ctx context.Context, ref verify.Ref, by string, st verify.Stamp, now time.Time) (verify.Record, error) {
	return s.change(ctx, "redeem", s.on(redeemScript, ref, st, now, by))
}

// Get implements [verify.Store].
func (s *Store) Get(ctx context.Context, ref verify.Ref) (verify.Record, verify.SubjectState, error) {
	a, err := s.do(ctx, "get", s.db.In(ref.Tenant, getScript, string(ref.Tenant), ref.ID))
	if err != nil {
		return verify.Record{}, verify.SubjectState{}, err
	}
	r, sub, err := decodeBoth(a)
	return r, sub, wrap("get", err)
}

// scan is how many records of an index one script looks at.
const scan = 200

// List implements [verify.Store]. It reads in steps, so what changes meanwhile may be missing.
func (s *Store) List(ctx context.Context, q verify.Query) ([]verify.Record, error) {
	index, technician, open := "la"+redisx.Keyed(string(q.Tenant)), "", ""
	switch {
	case q.Subject != "":
		index, technician = "ls"+redisx.Keyed(string(q.Tenant))+redisx.Keyed(q.Subject), q.Technician
	case !q.OpenAt.IsZero():
		index, technician = "lo"+redisx.Keyed(string(q.Tenant)), q.Technician
	case q.Technician != "":
		index = "lt" + redisx.Keyed(string(q.Tenant)) + redisx.Keyed(q.Technician)
	}
	if !q.OpenAt.IsZero() {
		open = redisx.EncodeTime(q.OpenAt)
	}
	var out []verify.Record
	from := ""
	for len(out) < q.Capped() {
		a, err := s.doAlone(ctx, "list", s.db.In(q.Tenant, listScript, string(q.Tenant), index, from, q.Capped()-len(out), scan, technician, open))
		if err != nil {
			return nil, err
		}
		for _, packed := range a[2:] {
			r, err := decodeRecord(packed)
			if err != nil {
				return nil, wrap("list", err)
			}
			out = append(out, r)
		}
		if from = a.At(1); from == "" {
			break
		}
	}
	return out, nil
}

// on returns a script that works on one record; lua/record.lua reads what is given first.
func (s *Store) on(script *redis.Script, ref verify.Ref, st verify.Stamp, now time.Time, args ...any) redisx.Call {
	return s.db.In(ref.Tenant, script, append([]any{redisx.EncodeTime(now), s.channel(), string(ref.Tenant), ref.ID, encodeStamp(st)}, args...)...)
}

// change runs a script that returns the record as it is afterwards.
func (s *Store) change(ctx context.Context, verb string, c redisx.Call) (verify.Record, error) {
	a, err := s.do(ctx, verb, c)
	if err != nil {
		return verify.Record{}, err
	}
	r, err := decodeRecord(a.At(1))
	return r, wrap(verb, err)
}

// decodeBoth reads a record and what is kept of its subject.
func decodeBoth(a redisx.Answer) (verify.Record, verify.SubjectState, error) {
	r, err := decodeRecord(a.At(1))
	if err != nil {
		return verify.Record{}, verify.SubjectState{}, err
	}
	sub, err := decodeSubject(a.At(2), a.At(3))
	return r, sub, err
}
