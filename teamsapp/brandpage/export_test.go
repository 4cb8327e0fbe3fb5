package brandpage

import (
	"net/url"

	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/teamsapp"
)

// ReadForm returns what a form makes of a brand.
func ReadForm(b teamsapp.Brand, in url.Values) teamsapp.Brand {
	f := readForm(b, in)
	f.change(in.Get(fieldDo))
	return f.brand
}

// FileName returns the name of the file for the name of an app.
func FileName(name string) string { return fileName(name) }

// Routes returns all routes.
func (p *Pages) Routes() []webpage.Route { return p.site.Routes() }

// Occupy takes all places at which packages are made, until release is called.
func (p *Pages) Occupy() (release func()) {
	for range builds {
		p.build <- struct{}{}
	}
	return func() {
		for range builds {
			<-p.build
		}
	}
}

// Uploads is how many forms are read at once.
const Uploads = uploads
