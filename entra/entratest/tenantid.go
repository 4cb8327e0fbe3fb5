package entratest

import (
	"fmt"

	"github.com/mspkit/mspkit/entra"
)

// AddTenantWithID is [Server.AddTenant] with an id, for those who keep connections longer than the server. It panics where
// id is no GUID.
func (s *Server) AddTenantWithID(id, name, domain string) *Tenant {
	id, err := entra.CanonicalID(id)
	if err != nil {
		panic(fmt.Sprintf("entratest: %v", err))
	}
	t := s.AddTenant(name, domain)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tenants, t.ID)
	t.ID = id
	s.tenants[id] = t
	return t
}
