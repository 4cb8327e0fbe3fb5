package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

var _ verify.FactorStore = (*Store)(nil)

type factorKey struct {
	tenant        mspkit.TenantID
	subject, kind string
}

// Factor implements [verify.FactorStore].
func (s *Store) Factor(_ context.Context, tenant mspkit.TenantID, subject, kind string) (verify.Factor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.factors[factorKey{tenant, subject, kind}]
	if !ok {
		return verify.Factor{}, verify.ErrNotFound
	}
	f.Sealed = slices.Clone(f.Sealed)
	return f, nil
}

// PutFactor implements [verify.FactorStore].
func (s *Store) PutFactor(_ context.Context, f verify.Factor, now time.Time) (verify.Factor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := factorKey{f.Tenant, f.Subject, f.Kind}
	if s.factors[k].Version != f.Version {
		return verify.Factor{}, verify.ErrConflict
	}
	f.Version++
	f.ChangedAt = now
	stored := f
	stored.Sealed = slices.Clone(f.Sealed)
	s.factors[k] = stored
	return f, nil
}

// DeleteFactor implements [verify.FactorStore].
func (s *Store) DeleteFactor(_ context.Context, tenant mspkit.TenantID, subject, kind string, version int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := factorKey{tenant, subject, kind}
	f, ok := s.factors[k]
	switch {
	case !ok:
		return verify.ErrNotFound
	case f.Version != version:
		return verify.ErrConflict
	}
	delete(s.factors, k)
	return nil
}
