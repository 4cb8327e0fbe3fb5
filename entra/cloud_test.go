package entra_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

func TestCloudsCanBeUsed(t *testing.T) {
	t.Parallel()
	for _, c := range []entra.Cloud{
		entra.PublicCloud(), entra.USGovCloud(), entra.USGovDoDCloud(), entra.ChinaCloud(),
		{Login: "http://127.0.0.1:8080/login", Graph: "http://localhost:1/graph"},
		{Login: "https://[::1]:1", Graph: "https://graph.example/x"},
	} {
		require.NoError(t, c.Validate(), c.Name)
		require.Equal(t, c.Graph+"/.default", c.Scope())
	}
	c := entra.PublicCloud()
	require.Equal(t, "https://api.partnercenter.microsoft.com/.default", c.PartnerScope())
	c.GraphScope, c.PartnerCenterScope = "a/.default", "b/.default"
	require.Equal(t, "a/.default", c.Scope())
	require.Equal(t, "b/.default", c.PartnerScope())
}

func TestCloudsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, login := range []string{
		"", "login.example", "http://login.example", "https://", "https://user@login.example", "https://login.example/", "https://login.example?x", "ftp://login.example",
		"https://login.example#x", "https://login.example?", "https://login.example#", "http://127.0.0.1.example", "http://10.0.0.1",
	} {
		c := entra.PublicCloud()
		c.Login = login
		require.ErrorIs(t, c.Validate(), mspkit.ErrInvalid, login)
	}
}

func TestIDsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	id, err := entra.CanonicalID("5F0C9A7E-1b2c-4d3e-8f90-A1B2C3D4E5F6")
	require.NoError(t, err)
	require.Equal(t, "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6", id)
	for _, s := range []string{
		"", "contoso.onmicrosoft.com", "{5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6}", "5f0c9a7e1b2c4d3e8f90a1b2c3d4e5f6", "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6\n",
		"5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6/..", "5f0c9a7g-1b2c-4d3e-8f90-a1b2c3d4e5f6",
	} {
		_, err := entra.CanonicalID(s)
		require.ErrorIs(t, err, mspkit.ErrInvalid, s)
	}
}
