package graphentra_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// A role that is removed has no name any more when its assignments are: they are found all the same.
func TestARoleIsRemovedWithItsAssignments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		dana := dir.AddUser(entratest.DirectoryUser{Name: "Dana Reyes", UPN: "dana@contoso.example"})
		d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		d.Assignments = []graphentra.Assignment{
			{Principal: dana, Kind: graphentra.User, Role: "Admin"}, {Principal: dana, Kind: graphentra.User, Role: "Technician"},
		}
		apply(t, c, plan(t, c, d))
		count := func() (n int) {
			for _, a := range dir.Objects("appRoleAssignments") {
				if a["principalId"] == dana {
					n++
				}
			}
			return n
		}
		require.Equal(t, 2, count())
		d.Roles, d.Assignments, d.Prune = d.Roles[1:], d.Assignments[1:], true
		apply(t, c, plan(t, c, d))
		require.Equal(t, 1, count())
		require.True(t, plan(t, c, d).Empty())
	})
}
