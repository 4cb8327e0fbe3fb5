package psatest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// TestMappings runs a store through every sentence of [psa.MappingStore]. open returns a fresh, empty store for one part.
func TestMappings(t *testing.T, open func(t *testing.T) psa.MappingStore) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(storeSuite, psa.MappingStore)
	}{
		{"Mappings come by company id", mappingsSorted},
		{"A company belongs to one tenant until it is unmapped", mappingsConflict},
		{"A mapping is complete", mappingsComplete},
		{"Race: a company is mapped to one tenant", mappingsRace},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(storeSuite{t}, open(t))
		})
	}
}

// TestDefaults runs a store through every sentence of [psa.DefaultsStore]. open returns a fresh, empty store for one part.
func TestDefaults(t *testing.T, open func(t *testing.T) psa.DefaultsStore) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(storeSuite, psa.DefaultsStore)
	}{
		{"Defaults are kept per tenant and system", defaultsKept},
		{"Every field is kept", defaultsFields},
		{"Defaults need a tenant and a system", defaultsComplete},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(storeSuite{t}, open(t))
		})
	}
}

// storeSuite is one part of a suite for stores.
type storeSuite struct{ *testing.T }

func (s storeSuite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

func (s storeSuite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("the error is %v, it should be %v", err, want)
	}
}

func (s storeSuite) equal(got, want any, what string) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("%s: got\n%+v\nwant\n%+v", what, got, want)
	}
}

func (s storeSuite) mappings(st psa.MappingStore, system string, want ...psa.Mapping) {
	s.Helper()
	list, err := st.Mappings(s.Context(), system)
	s.ok(err)
	if len(list) == 0 {
		list = nil
	}
	s.equal(list, want, "mappings of "+system)
}

func mapped(id string, tenant mspkit.TenantID) psa.Mapping {
	return psa.Mapping{System: "halopsa", CompanyID: id, CompanyName: "Contoso & 'Söhne' " + id, Tenant: tenant, By: "jane ü"}
}

func mappingsSorted(s storeSuite, st psa.MappingStore) {
	ctx := s.Context()
	s.mappings(st, "halopsa")
	a, b, c, d := mapped("10", "contoso"), mapped("9", "contoso"), mapped("Ä", "fabrikam"), mapped("a", "fabrikam")
	other := mapped("10", "fabrikam")
	other.System = "connectwise" // the same id there is another company
	for _, m := range []psa.Mapping{c, b, other, a, d} {
		s.ok(st.SaveMapping(ctx, m))
	}
	s.mappings(st, "halopsa", a, b, d, c)
	s.mappings(st, "connectwise", other)
	s.mappings(st, "HaloPSA")
	s.mappings(st, "")
	s.ok(st.DeleteMapping(ctx, "halopsa", "9"))
	s.ok(st.DeleteMapping(ctx, "halopsa", "9"))
	s.ok(st.DeleteMapping(ctx, "halopsa", "none"))
	s.ok(st.DeleteMapping(ctx, "none", "10"))
	s.mappings(st, "halopsa", a, d, c)
	s.mappings(st, "connectwise", other)
}

func mappingsConflict(s storeSuite, st psa.MappingStore) {
	ctx := s.Context()
	m := mapped("10", "contoso")
	s.ok(st.SaveMapping(ctx, m))
	m.CompanyName, m.By = "Contoso renamed", "joe"
	s.ok(st.SaveMapping(ctx, m)) // the same tenant again
	s.mappings(st, "halopsa", m)
	moved := mapped("10", "fabrikam")
	err := st.SaveMapping(ctx, moved)
	s.is(err, psa.ErrConflict)
	if !strings.Contains(err.Error(), "unmap it there first") {
		s.Fatalf("the error does not say what to do: %v", err)
	}
	s.mappings(st, "halopsa", m)
	s.ok(st.DeleteMapping(ctx, "halopsa", "10"))
	s.ok(st.SaveMapping(ctx, moved))
	s.mappings(st, "halopsa", moved)
}

func mappingsComplete(s storeSuite, st psa.MappingStore) {
	for name, change := range map[string]func(*psa.Mapping){
		"no tenant":       func(m *psa.Mapping) { m.Tenant = "" },
		"no system":       func(m *psa.Mapping) { m.System = "" },
		"no company":      func(m *psa.Mapping) { m.CompanyID = "" },
		"no one":          func(m *psa.Mapping) { m.By = "" },
		"a zero":          func(m *psa.Mapping) { m.CompanyID = "1\x002" },
		"no UTF-8":        func(m *psa.Mapping) { m.Tenant = "\xff" },
		"a long id":       func(m *psa.Mapping) { m.CompanyID = strings.Repeat("1", mspkit.MaxID+1) },
		"spaces around":   func(m *psa.Mapping) { m.CompanyID = " 1" },
		"nothing but one": func(m *psa.Mapping) { *m = psa.Mapping{CompanyID: "1"} },
	} {
		m := mapped("10", "contoso")
		change(&m)
		if err := st.SaveMapping(s.Context(), m); !errors.Is(err, mspkit.ErrInvalid) {
			s.Fatalf("%s: the error is %v", name, err)
		}
	}
	s.mappings(st, "halopsa")
	m := mapped("10", "contoso")
	m.CompanyName = "" // a system need not tell
	s.ok(st.SaveMapping(s.Context(), m))
	s.mappings(st, "halopsa", m)
}

func mappingsRace(s storeSuite, st psa.MappingStore) {
	const racers = 8
	for round := range 10 {
		var won atomic.Int32
		var wg sync.WaitGroup
		id := fmt.Sprint("c", round)
		for i := range racers {
			wg.Go(func() {
				switch err := st.SaveMapping(s.Context(), mapped(id, mspkit.TenantID(fmt.Sprint("tenant-", i)))); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, psa.ErrConflict):
					s.Error(err)
				}
			})
		}
		wg.Wait()
		s.equal(won.Load(), int32(1), "tenants that got the company")
	}
}

func (s storeSuite) defaults(st psa.DefaultsStore, tenant mspkit.TenantID, system string, want psa.Defaults) {
	s.Helper()
	got, err := st.Defaults(s.Context(), tenant, system)
	s.ok(err)
	s.equal(got, want, "defaults")
}

func defaultsKept(s storeSuite, st psa.DefaultsStore) {
	ctx := s.Context()
	s.defaults(st, "contoso", "halopsa", psa.Defaults{})
	first := psa.Defaults{Queue: psa.Named{ID: "3", Name: "Service Desk"}, Status: psa.Named{Name: "Neu ü"}}
	s.ok(st.SaveDefaults(ctx, "contoso", "halopsa", first))
	s.defaults(st, "contoso", "halopsa", first)
	s.defaults(st, "contoso", "connectwise", psa.Defaults{})
	s.defaults(st, "fabrikam", "halopsa", psa.Defaults{})
	s.defaults(st, "", "halopsa", psa.Defaults{})
	second := psa.Defaults{Priority: psa.Named{ID: "1"}}
	s.ok(st.SaveDefaults(ctx, "contoso", "halopsa", second)) // all are replaced
	s.ok(st.SaveDefaults(ctx, "contoso", "connectwise", first))
	s.ok(st.SaveDefaults(ctx, "fabrikam", "halopsa", first))
	s.defaults(st, "contoso", "halopsa", second)
	s.defaults(st, "contoso", "connectwise", first)
	s.defaults(st, "fabrikam", "halopsa", first)
	s.ok(st.SaveDefaults(ctx, "contoso", "halopsa", psa.Defaults{}))
	s.defaults(st, "contoso", "halopsa", psa.Defaults{})
}

func defaultsFields(s storeSuite, st psa.DefaultsStore) {
	var d psa.Defaults
	for _, f := range psa.Fields {
		d.Set(f, psa.Named{ID: "id of " + string(f), Name: `"name" of ` + string(f)})
	}
	s.ok(st.SaveDefaults(s.Context(), "contoso", "halopsa", d))
	s.defaults(st, "contoso", "halopsa", d)
}

func defaultsComplete(s storeSuite, st psa.DefaultsStore) {
	ctx := s.Context()
	s.is(st.SaveDefaults(ctx, "", "halopsa", psa.Defaults{}), mspkit.ErrInvalid)
	s.is(st.SaveDefaults(ctx, "contoso", "halo\x00psa", psa.Defaults{}), mspkit.ErrInvalid)
	s.is(st.SaveDefaults(ctx, "contoso", "", psa.Defaults{}), mspkit.ErrInvalid)
}
