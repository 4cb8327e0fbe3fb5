package psa

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/mspkit/mspkit"
)

// Memory is a [MappingStore] and a [DefaultsStore] that forgets everything when the program ends.
type Memory struct {
	mu       sync.Mutex
	mappings map[[2]string]Mapping
	defaults map[memoryKey]Defaults
}

type memoryKey struct {
	tenant mspkit.TenantID
	system string
}

var (
	_ MappingStore  = (*Memory)(nil)
	_ DefaultsStore = (*Memory)(nil)
)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{mappings: map[[2]string]Mapping{}, defaults: map[memoryKey]Defaults{}}
}

// SaveMapping stores m.
func (s *Memory) SaveMapping(_ context.Context, m Mapping) error {
	if err := m.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := [2]string{m.System, m.CompanyID}
	if old, ok := s.mappings[k]; ok && old.Tenant != m.Tenant {
		return mappedElsewhere(m)
	}
	s.mappings[k] = m
	return nil
}

func mappedElsewhere(m Mapping) error {
	return &Error{System: m.System, Op: "save mapping", Err: ErrConflict, Advice: "the company belongs to another tenant; unmap it there first"}
}

// DeleteMapping unmaps a company.
func (s *Memory) DeleteMapping(_ context.Context, system, companyID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mappings, [2]string{system, companyID})
	return nil
}

// Mappings returns the mappings of a system by company id.
func (s *Memory) Mappings(_ context.Context, system string) ([]Mapping, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Mapping
	for _, m := range s.mappings {
		if m.System == system {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b Mapping) int { return cmp.Compare(a.CompanyID, b.CompanyID) })
	return out, nil
}

// Defaults returns what was saved.
func (s *Memory) Defaults(_ context.Context, tenant mspkit.TenantID, system string) (Defaults, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.defaults[memoryKey{tenant, system}], nil
}

// SaveDefaults stores d.
func (s *Memory) SaveDefaults(_ context.Context, tenant mspkit.TenantID, system string, d Defaults) error {
	if err := (mspkit.Ticket{System: system, ID: "x"}).Validate(); err != nil || system == "" {
		return fmt.Errorf("psa: defaults need the name of a system: %w", mspkit.ErrInvalid)
	}
	if err := tenant.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.defaults[memoryKey{tenant, system}] = d
	return nil
}
