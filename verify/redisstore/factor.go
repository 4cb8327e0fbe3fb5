package redisstore

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

// Factor implements [verify.FactorStore].
func (s *Store) Factor(ctx context.Context, tenant mspkit.TenantID, subject, kind string) (verify.Factor, error) {
	a, err := s.do(ctx, "factor", s.db.In(tenant, factorScript, string(tenant), subject, kind))
	if err != nil {
		return verify.Factor{}, err
	}
	f, err := redisx.Unpack(a.At(1), 4)
	if err != nil {
		return verify.Factor{}, wrap("factor", err)
	}
	var d redisx.Reader
	out := verify.Factor{
		Tenant: tenant, Subject: subject, Kind: kind, Version: d.Number(f[0]), Sealed: redisx.Bytes(f[1]), ChangedAt: d.Time(f[2]),
	}
	return out, wrap("factor", d.Err)
}

// PutFactor implements [verify.FactorStore].
func (s *Store) PutFactor(ctx context.Context, f verify.Factor, now time.Time) (verify.Factor, error) {
	_, err := s.do(ctx, "put factor", s.db.In(f.Tenant, putFactorScript, string(f.Tenant), f.Subject, f.Kind, redisx.Number(f.Version), string(f.Sealed),
		redisx.EncodeTime(now), rand.Text()))
	if err != nil {
		return verify.Factor{}, err
	}
	f.Version++
	f.ChangedAt = redisx.Rounded(now)
	return f, nil
}

// DeleteFactor implements [verify.FactorStore].
func (s *Store) DeleteFactor(ctx context.Context, tenant mspkit.TenantID, subject, kind string, version int64) error {
	_, err := s.do(ctx, "delete factor", s.db.In(tenant, dropFactorScript, string(tenant), subject, kind, redisx.Number(version), rand.Text()))
	return err
}
