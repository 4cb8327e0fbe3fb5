package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/securesend"
)

// token names one call, so that a script that the client sends again is known.
func token() string { return rand.Text() }

// Put implements [securesend.SecretStore].
func (s *Store) Put(ctx context.Context, r securesend.Record, st securesend.Stamp, now time.Time) error {
	if err := r.Storable(now); err != nil {
		return err
	}
	a, err := s.db.Join(ctx, s.putCall(r, st, now))
	if err != nil {
		return wrap("put", err)
	}
	return decided[a.At(0)]
}

func (s *Store) putCall(r securesend.Record, st securesend.Stamp, now time.Time) redisx.Call {
	r.Version = 1
	what, call := encodeWhat(&r), token()
	args := []any{
		keyed(r.Tenant), r.ID, call, st.ID, encodeEvent(&r, what, st, now), encodeRecord(&r, what, call+"ok"),
		redisx.Pack(string(r.Half), string(r.NumberMAC), string(r.PassMAC)), r.Inline, redisx.EncodeTime(now),
	}
	for _, m := range members(&r) {
		args = append(args, m)
	}
	return s.db.In(r.Tenant, putScript, args...)
}

// Commit implements [securesend.SecretStore].
func (s *Store) Commit(ctx context.Context, ref securesend.Ref, c securesend.Content, now time.Time) (securesend.Record, error) {
	return s.simple(ctx, "commit", s.on(commitScript, ref, encodeStamp(c.Stamp), now, c.Upload, c.Auth, c.Header, c.Half, c.HalfKey, c.Inline,
		numbers(c.Sizes), chunks(c.Sizes), c.PassKeyID, c.PassMAC))
}

// Admit implements [securesend.SecretStore].
func (s *Store) Admit(ctx context.Context, ref securesend.Ref, a securesend.Admission, now time.Time) (securesend.Record, error) {
	return s.simple(ctx, "admit", s.on(admitScript, ref, encodeStamp(a.Stamp), now, a.Upload, encodeMACs(a.Number)))
}

// Stat implements [securesend.SecretStore].
func (s *Store) Stat(ctx context.Context, ref securesend.Ref) (securesend.Record, error) {
	return s.simple(ctx, "stat", s.db.In(ref.Tenant, statScript, keyed(ref.Tenant), ref.ID))
}

// Open implements [securesend.SecretStore].
func (s *Store) Open(ctx context.Context, ref securesend.Ref, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.simple(ctx, "open", s.on(openScript, ref, encodeStamp(st), now, auth))
}

// Take implements [securesend.SecretStore].
func (s *Store) Take(ctx context.Context, ref securesend.Ref, t securesend.Take, now time.Time) (securesend.Record, error) {
	r, a, err := s.step(ctx, "take", s.takeCall(ref, t, now))
	if err == nil {
		r.Half, r.Inline = redisx.Bytes(a.At(2)), redisx.Bytes(a.At(3))
	}
	return r, err
}

func (s *Store) takeCall(ref securesend.Ref, t securesend.Take, now time.Time) redisx.Call {
	return s.on(takeScript, ref, encodeStamp(t.Stamp), now, t.Claim, t.Auth, encodeMACs(t.Number), encodeMACs(t.Pass), redisx.Flag(t.Allowed), encodeNames(t.Regions))
}

// Extend implements [securesend.SecretStore].
func (s *Store) Extend(ctx context.Context, ref securesend.Ref, f securesend.Fetch, now time.Time) (securesend.Record, error) {
	return s.simple(ctx, "extend", s.on(extendScript, ref, "", now, f.Claim, f.Auth, f.File, f.From, f.To, f.Until, encodeNames(f.Regions)))
}

// Ack implements [securesend.SecretStore].
func (s *Store) Ack(ctx context.Context, ref securesend.Ref, claim, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.simple(ctx, "ack", s.ackCall(ref, claim, auth, st, now))
}

func (s *Store) ackCall(ref securesend.Ref, claim, auth []byte, st securesend.Stamp, now time.Time) redisx.Call {
	return s.on(ackScript, ref, encodeStamp(st), now, claim, auth)
}

// SendCode implements [securesend.SecretStore].
func (s *Store) SendCode(ctx context.Context, ref securesend.Ref, c securesend.Code, now time.Time) (securesend.Record, error) {
	r, err := s.simple(ctx, "send code", s.on(sendCodeScript, ref, encodeStamp(c.Stamp), now, c.Auth, c.KeyID, c.MAC, redisx.EncodeTime(c.Until),
		redisx.EncodeTime(now.Add(-c.Cooldown)), c.MaxSends))
	ends := r.ExpiresAt
	if l, ok := errors.AsType[*securesend.LimitError](err); ok && l.Limit == securesend.LimitCooldown {
		ends = r.CodeSentAt.Add(c.Cooldown)
	}
	return r, until(err, ends, now)
}

// Renew implements [securesend.SecretStore].
func (s *Store) Renew(ctx context.Context, ref securesend.Ref, version int64, n securesend.Renewal, now time.Time) (securesend.Record, error) {
	r, err := s.simple(ctx, "renew", s.on(renewScript, ref, encodeStamp(n.Stamp), now, redisx.Number(version), n.KeyID, n.MAC, n.Sealed,
		securesend.MaxRenewals))
	return r, until(err, r.ExpiresAt, now)
}

// Revoke implements [securesend.SecretStore].
func (s *Store) Revoke(ctx context.Context, ref securesend.Ref, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return s.simple(ctx, "revoke", s.on(revokeScript, ref, encodeStamp(st), now))
}

// Note implements [securesend.SecretStore].
func (s *Store) Note(ctx context.Context, ref securesend.Ref, st securesend.Stamp, now time.Time) error {
	_, err := s.simple(ctx, "note", s.on(noteScript, ref, encodeStamp(st), now))
	return err
}

// Forget implements [securesend.SecretStore].
func (s *Store) Forget(ctx context.Context, ref securesend.Ref) error {
	_, err := s.simple(ctx, "forget", s.on(forgetScript, ref, "", time.Time{}))
	return err
}

// scan is how many records of an index one script looks at.
const scan = 200

// List implements [securesend.SecretStore]. It reads in steps, so what changes meanwhile may be missing.
func (s *Store) List(ctx context.Context, q securesend.Query) ([]securesend.Record, error) {
	index, rest := "la"+keyed(q.Tenant), q
	switch {
	case !q.Ticket.IsZero():
		index, rest.Ticket = "lk"+keyed(q.Tenant)+redisx.Keyed(q.Ticket.System)+redisx.Keyed(q.Ticket.ID), securesend.Query{}.Ticket
	case q.Subject != "":
		index, rest.Subject = "ls"+keyed(q.Tenant)+redisx.Keyed(q.Subject), ""
	case q.Sender != "":
		index, rest.Sender = "lt"+keyed(q.Tenant)+redisx.Keyed(q.Sender), ""
	}
	var out []securesend.Record
	from := ""
	for len(out) < q.Capped() {
		a, err := s.db.Run(ctx, s.db.In(q.Tenant, listScript, keyed(q.Tenant), index, from, q.Capped()-len(out), scan,
			rest.Sender, rest.Subject, rest.Ticket.System, rest.Ticket.ID, string(rest.Kind)))
		if err != nil {
			return nil, wrap("list", err)
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
