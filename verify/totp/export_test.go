package totp

import "github.com/mspkit/mspkit/internal/webpage"

// Routes returns all routes of the pages.
func (e *Enrolment) Routes() []webpage.Route { return e.site.Routes() }
