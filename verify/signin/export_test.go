package signin

import (
	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

// Routes returns all routes, for tests that walk them.
func (p *Pages) Routes() []webpage.Route { return p.site.Routes() }

// Texts returns the keys of a catalogue of the built-in texts.
func (p *Pages) Texts() *webpage.Catalog { return p.catalogs.All() }

// Encode makes a link token.
func Encode(links *token.Codec, tenant mspkit.TenantID, id, tid, oid string, acr int) (string, error) {
	return invitation{ref: verify.Ref{Tenant: tenant, ID: id}, tid: tid, oid: oid, acr: acr}.encode(links)
}

// Decode reads a link token.
func Decode(links *token.Codec, tok string) (ref verify.Ref, from string, acr int, err error) {
	i, err := decode(links, tok)
	return i.ref, i.from(), i.acr, err
}

// Judge says what an answer of Microsoft's proves of somebody of whom this is asked.
func Judge(tid, oid string, acr int, a entra.Answer) error {
	return judge(invitation{tid: tid, oid: oid, acr: acr}, a)
}

// Reasons are those that have a page, and "failed" for all others.
func Reasons() []string {
	out := []string{pageFailed}
	for _, r := range refusals {
		out = append(out, r.page)
	}
	return out
}
