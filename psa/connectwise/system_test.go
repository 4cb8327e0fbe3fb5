package connectwise_test

import (
	"strings"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

var credentials = connectwise.Credentials{
	PublicKey: mspkit.Redact(psatest.ConnectWisePublicKey), PrivateKey: mspkit.Redact(psatest.ConnectWisePrivateKey),
	ClientID: mspkit.Redact(psatest.ConnectWiseClientID),
}

var secrets = []string{psatest.ConnectWisePublicKey, psatest.ConnectWisePrivateKey, psatest.ConnectWiseClientID}

// start returns a fake and a client of it. change may alter the client's options.
func start(t *testing.T, fake *psatest.ConnectWiseOptions, change func(*connectwise.Options)) (*connectwise.Client, *psatest.Server) {
	t.Helper()
	srv, err := psatest.NewConnectWise(psatest.NewDesk(nil), fake)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return client(t, srv, change), srv
}

func client(t *testing.T, srv *psatest.Server, change func(*connectwise.Options)) *connectwise.Client {
	t.Helper()
	o := connectwise.Quick(&connectwise.Options{BaseURL: srv.URL, Member: psatest.ConnectWiseMember, Requests: -1})
	if change != nil {
		change(o)
	}
	c, err := connectwise.New("", psatest.ConnectWiseCompany, credentials, o)
	require.NoError(t, err)
	return c
}

func TestSystem(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct {
		fake   psatest.ConnectWiseOptions
		change func(*connectwise.Options)
		suite  psatest.Options
	}{
		"as it is thought to be": {},
		"pages by id, names sent, open closed tickets, two-byte database": {
			fake: psatest.ConnectWiseOptions{NoLink: true, OpenNotes: true, TwoByte: true, Author: psatest.ConnectWiseByCreatedBy},
			change: func(o *connectwise.Options) {
				o.Paging, o.References, o.PlainText = connectwise.ByID, connectwise.SendNames, true
			},
			suite: psatest.Options{Reads: psa.Plain},
		},
		"one line": {
			fake: psatest.ConnectWiseOptions{OneLine: true},
			change: func(o *connectwise.Options) {
				o.OneLine, o.ProjectTickets = true, true
			},
			suite: psatest.Options{Reads: func(s string) string {
				return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' }), " / ")
			}},
		},
		"no search by key, no names, tickets read first": {
			fake: psatest.ConnectWiseOptions{NoKeySearch: true, NoNames: true, Author: psatest.ConnectWiseByInfo},
			change: func(o *connectwise.Options) {
				o.NoTicketKey, o.CheckOpen, o.NotifyContact, o.Version = true, true, true, "latest"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v.suite.Secrets = secrets
			v.suite.Links = !v.fake.NoLink
			psatest.TestSystem(t, func(t *testing.T) (psa.System, *psatest.Desk) {
				t.Helper()
				c, srv := start(t, &v.fake, v.change)
				return c, srv.Desk()
			}, &v.suite)
		})
	}
}
