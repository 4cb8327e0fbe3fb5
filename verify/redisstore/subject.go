package redisstore

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

// Subject implements [verify.Store].
func (s *Store) Subject(ctx context.Context, tenant mspkit.TenantID, subject string) (verify.SubjectState, error) {
	a, err := s.do(ctx, "subject", s.db.In(tenant, subjectScript, string(tenant), subject))
	if err != nil {
		return verify.SubjectState{}, err
	}
	sub, err := decodeSubject(a.At(1), a.At(2))
	return sub, wrap("subject", err)
}

// ChangeSubject implements [verify.Store].
func (s *Store) ChangeSubject(ctx context.Context, tenant mspkit.TenantID, subject string, c verify.SubjectChange, now time.Time) error {
	frozen := ""
	if c.FrozenUntil != nil {
		frozen = redisx.EncodeTime(*c.FrozenUntil)
	}
	_, err := s.do(ctx, "change subject", s.db.In(tenant, changeSubjectScript, redisx.EncodeTime(now), s.channel(), string(tenant), subject,
		encodeStamp(c.Stamp), frozen, redisx.Flag(c.Unlock)))
	return err
}
