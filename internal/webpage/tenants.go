package webpage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/mspkit/mspkit"
)

// Catalogs are the texts of a site whose tenants may have their own. It is safe for concurrent use.
type Catalogs struct {
	all *Catalog
	own map[mspkit.TenantID]*Catalog
}

// LoadCatalogs reads the built-in texts at the root of builtin, with those of more for all tenants and those of tenants,
// in front of these, for single ones. It reports the faults of all tenants at once.
func LoadCatalogs(builtin, more fs.FS, tenants map[mspkit.TenantID]fs.FS) (*Catalogs, error) {
	c := &Catalogs{own: map[mspkit.TenantID]*Catalog{}}
	var err error
	if c.all, err = LoadCatalog(builtin); err != nil {
		return nil, err
	}
	if c.all, err = c.all.With(more); err != nil {
		return nil, err
	}
	var errs []error
	for tenant, texts := range tenants {
		own, err := c.all.With(texts)
		if err != nil {
			errs = append(errs, fmt.Errorf("texts of tenant %q: %w", tenant, err))
		}
		c.own[tenant] = own
	}
	return c, errors.Join(errs...)
}

// All returns the texts of those who have none of their own.
func (c *Catalogs) All() *Catalog { return c.all }

// Of returns the texts of a tenant.
func (c *Catalogs) Of(tenant mspkit.TenantID) *Catalog {
	if own := c.own[tenant]; own != nil {
		return own
	}
	return c.all
}

// Brands is where [Logos] finds the brand of a tenant, and a tag that names it without telling its id.
type Brands interface {
	PublicTag(tenant mspkit.TenantID) string
	ParsePublicTag(tag string) (mspkit.TenantID, error)
	Brand(ctx context.Context, tenant mspkit.TenantID) (b mspkit.Brand, locale string, err error)
}

// Logos names the logos of tenants in addresses and finds them again. It is safe for concurrent use.
type Logos struct {
	brands Brands
	mu     sync.Mutex
	tags   map[mspkit.TenantID]string
}

// NewLogos returns the logos of brands.
func NewLogos(brands Brands) *Logos {
	return &Logos{brands: brands, tags: map[mspkit.TenantID]string{}}
}

// Key returns the [Page.BrandKey] of a tenant. It is made once, so that browsers may keep the logo.
func (l *Logos) Key(tenant mspkit.TenantID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tags[tenant] == "" {
		l.tags[tenant] = l.brands.PublicTag(tenant)
	}
	return l.tags[tenant]
}

// Logo is for [Options.Logo]: an unknown key has none.
func (l *Logos) Logo(ctx context.Context, key string) ([]byte, error) {
	tenant, err := l.brands.ParsePublicTag(key)
	if err != nil {
		return nil, nil //nolint:nilerr // 404
	}
	b, _, err := l.brands.Brand(ctx, tenant)
	return b.Logo, err
}
