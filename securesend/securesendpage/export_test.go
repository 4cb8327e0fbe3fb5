package securesendpage

import "github.com/mspkit/mspkit/internal/webpage"

// Routes returns all routes, for the tests that walk them.
func (p *Pages) Routes() []webpage.Route { return p.site.Routes() }

// Catalog returns the texts, for the tests that compare locales.
func (p *Pages) Catalog() *webpage.Catalog { return p.catalogs.All() }
