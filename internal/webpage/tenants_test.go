package webpage_test

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
)

func TestATenantHasItsOwnTextsInFrontOfThoseOfAll(t *testing.T) {
	t.Parallel()
	key := catalog(t).Keys()[0]
	text := func(s string) fs.FS { return fstest.MapFS{"en.json": {Data: []byte(`{"` + key + `": "` + s + `"}`)}} }
	c, err := webpage.LoadCatalogs(texts(), text("of all"), map[mspkit.TenantID]fs.FS{"contoso": text("of Contoso"), "tailspin": nil})
	require.NoError(t, err)
	for tenant, want := range map[mspkit.TenantID]string{"contoso": "of Contoso", "fabrikam": "of all", "tailspin": "of all"} {
		got, err := c.Of(tenant).Texts("en").Text(key)
		require.NoError(t, err)
		require.Equal(t, want, got, tenant)
	}
	require.Same(t, c.All(), c.Of("fabrikam"))
	bad := fstest.MapFS{"en.json": {Data: []byte(`{"no such key": "x"}`)}}
	_, err = webpage.LoadCatalogs(texts(), nil, map[mspkit.TenantID]fs.FS{"contoso": bad, "fabrikam": bad, "tailspin": nil})
	require.ErrorContains(t, err, `texts of tenant "contoso"`)
	require.ErrorContains(t, err, `texts of tenant "fabrikam"`)
	_, err = webpage.LoadCatalogs(texts(), bad, nil)
	require.Error(t, err)
}

// brands names tenants by a count, so that two tags of one tenant differ.
type brands struct{ made int }

func (b *brands) PublicTag(tenant mspkit.TenantID) string {
	b.made++
	return string(tenant) + "-" + strconv.Itoa(b.made)
}

func (b *brands) ParsePublicTag(tag string) (mspkit.TenantID, error) {
	tenant, _, ok := strings.Cut(tag, "-")
	if !ok {
		return "", errors.New("not genuine")
	}
	return mspkit.TenantID(tenant), nil
}

func (b *brands) Brand(_ context.Context, tenant mspkit.TenantID) (mspkit.Brand, string, error) {
	if tenant == "gone" {
		return mspkit.Brand{}, "", errors.New("the settings could not be read")
	}
	return mspkit.Brand{Logo: []byte(tenant)}, "", nil
}

func TestALogoIsFoundByAKeyThatStaysTheSame(t *testing.T) {
	t.Parallel()
	l := webpage.NewLogos(&brands{})
	key := l.Key("contoso")
	require.NotEqual(t, key, l.Key("fabrikam"))
	require.Equal(t, key, l.Key("contoso"), "browsers may keep the logo")
	logo, err := l.Logo(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, "contoso", string(logo))
	logo, err = l.Logo(t.Context(), "unknown")
	require.NoError(t, err)
	require.Nil(t, logo)
	_, err = l.Logo(t.Context(), "gone-1")
	require.Error(t, err)
}
