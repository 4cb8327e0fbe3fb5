package redisstore

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// Factor implements [verify.FactorStore].
func (s *Store) Factor(ctx context.Context, tenant mspkit.TenantID, subject, kind string) (verify.Factor, error) {
	a, err := s.do(ctx, "factor", s.in(tenant, factorScript, string(tenant), subject, kind))
	if err != nil {
		return verify.Factor{}, err
	}
	f, err := unpack(a.at(1), 4)
	if err != nil {
		return verify.Factor{}, wrap("factor", err)
	}
	var d reader
	out := verify.Factor{
		Tenant: tenant, Subject: subject, Kind: kind, Version: d.number(f[0]), Sealed: bytes(f[1]), ChangedAt: d.time(f[2]),
	}
	return out, wrap("factor", d.err)
}

// PutFactor implements [verify.FactorStore].
func (s *Store) PutFactor(ctx context.Context, f verify.Factor, now time.Time) (verify.Factor, error) {
	_, err := s.do(ctx, "put factor", s.in(f.Tenant, putFactorScript, string(f.Tenant), f.Subject, f.Kind, number(f.Version), string(f.Sealed),
		encodeTime(now), rand.Text()))
	if err != nil {
		return verify.Factor{}, err
	}
	f.Version++
	f.ChangedAt = rounded(now)
	return f, nil
}

// DeleteFactor implements [verify.FactorStore].
func (s *Store) DeleteFactor(ctx context.Context, tenant mspkit.TenantID, subject, kind string, version int64) error {
	_, err := s.do(ctx, "delete factor", s.in(tenant, dropFactorScript, string(tenant), subject, kind, number(version), rand.Text()))
	return err
}
