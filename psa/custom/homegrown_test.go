package custom_test

import (
	"testing"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom"
	"github.com/mspkit/mspkit/psa/custom/customtest"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

func TestAHomegrownSystemPassesTheSuite(t *testing.T) {
	t.Parallel()
	psatest.TestSystem(t, func(t *testing.T) (psa.System, *psatest.Desk) {
		t.Helper()
		return homegrown(t)
	}, &psatest.Options{Reads: psa.Plain, Secrets: []string{"Bearer"}})
}

// homegrown is the homegrown system of psatest over a new desk.
func homegrown(t *testing.T) (*custom.System, *psatest.Desk) {
	t.Helper()
	desk := psatest.NewDesk(nil)
	srv, err := psatest.NewHomegrown(desk)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return overHTTP(t, srv), desk
}

// overHTTP is the homegrown system of psatest as somebody would bring it in.
func overHTTP(t testing.TB, srv *psatest.Server) *custom.System {
	t.Helper()
	sys, err := customtest.Homegrown(srv.URL, srv.Key, custom.Options{NoteLimit: psatest.HomegrownNoteLimit, MaxPage: psatest.HomegrownPage})
	require.NoError(t, err)
	return sys
}
