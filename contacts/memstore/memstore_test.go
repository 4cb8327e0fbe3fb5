package memstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	"github.com/mspkit/mspkit/contacts/memstore"
)

func TestDirectoryPassesItsSuite(t *testing.T) {
	t.Parallel()
	contactstest.TestDirectory(t, func(t *testing.T, p contacts.Precedence) func() contacts.Directory {
		dir, err := memstore.New(&memstore.Options{Precedence: p})
		require.NoError(t, err)
		return func() contacts.Directory { return dir }
	}, nil)
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]contacts.Precedence{
		"a source without a name": {Default: []string{""}},
		"a source twice":          {Default: []string{"entra", "entra"}},
		"an unknown field":        {Of: map[contacts.Field][]string{"shoe-size": {"entra"}}},
		"no source of truth":      {Of: map[contacts.Field][]string{contacts.FieldSources: {"entra"}}},
	} {
		_, err := memstore.New(&memstore.Options{Precedence: p})
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
}
