package entra

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPermissionTable(t *testing.T) {
	t.Parallel()
	technician := map[Permission]bool{PermissionPod: true, PermissionFeatures: true, PermissionUI: true}
	pod := map[Permission]bool{PermissionPod: true, PermissionFeatures: true}
	p := DefaultPolicy()
	for _, perm := range Permissions() {
		require.True(t, p.Allows(RoleAdmin, UIFull, perm), perm)
		require.Equal(t, technician[perm], p.Allows(RoleTechnician, UIFull, perm), perm)
		require.Equal(t, pod[perm], p.Allows(RoleAdmin, UIPod, perm), perm)
		require.Equal(t, pod[perm], p.Allows(RoleTechnician, UIPod, perm), perm)
		require.Equal(t, pod[perm], p.Allows(RoleAdmin, UI(7), perm), "what nobody knows is not the full interface")
		require.False(t, p.Allows(RoleNone, UIFull, perm), perm)
		require.False(t, p.Allows(Role(9), UIFull, perm), perm)
		require.False(t, Policy{}.Allows(RoleAdmin, UIFull, perm), "the zero value allows nothing")
		require.False(t, p.Without(RoleAdmin, perm).Allows(RoleAdmin, UIFull, perm), perm)
		require.True(t, p.With(RoleTechnician, perm).Allows(RoleTechnician, UIFull, perm), perm)
		require.NotEmpty(t, perm.String())
	}
	require.False(t, p.Allows(RoleAdmin, UIFull, PermissionNone))
	require.False(t, p.With(RoleAdmin, PermissionNone).Allows(RoleAdmin, UIFull, PermissionNone))
	require.False(t, p.Allows(RoleAdmin, UIFull, Permission(200)))
	require.Equal(t, p, p.With(RoleNone, PermissionUI).With(Role(9), PermissionUI))
}

func TestRolesOfATokenAreExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		want   Role
	}{
		{nil, RoleNone},
		{[]string{""}, RoleNone},
		{[]string{"admin"}, RoleNone},
		{[]string{"Admin "}, RoleNone},
		{[]string{"none"}, RoleNone},
		{[]string{"Technician"}, RoleTechnician},
		{[]string{"Admin", "Technician"}, RoleAdmin},
		{[]string{"Reader", "Technician"}, RoleTechnician},
	} {
		require.Equal(t, c.want, RoleOf(c.values), c.values)
	}
}
