package psa_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// Names and domains of companies come from the ticket system. A page for an administrator must not hang on them.
func TestSuggestTakesNoTimeForNamesWithoutEnd(t *testing.T) {
	t.Parallel()
	endless := strings.Repeat("contoso x", 1<<17)
	companies := []psa.Company{{ID: "0", Name: "Contoso", Domains: []string{"contoso.example"}}}
	for i := range 20 {
		companies = append(companies, psa.Company{ID: strconv.Itoa(i + 1), Name: fmt.Sprint(endless, i), Domains: []string{strings.Repeat("a", 1<<20) + ".example"}})
	}
	var tenants []psa.KnownTenant
	for i := range 300 {
		tenants = append(tenants, psa.KnownTenant{ID: mspkit.TenantID(fmt.Sprintf("tenant-%d", i)), Name: fmt.Sprintf("Tenant %d Ltd", i)})
	}
	tenants = append(tenants, psa.KnownTenant{ID: "contoso", Name: "Contoso Ltd", Domains: []string{"contoso.example"}})
	began := time.Now()
	list := psa.Suggest(companies, tenants, nil)
	require.Less(t, time.Since(began), 10*time.Second)
	require.Len(t, list, 21)
	require.Equal(t, mspkit.TenantID("contoso"), list[0].Tenant)
	require.Equal(t, 100, list[0].Score)
}

type options []psa.Option

func (o options) ListOptions(context.Context, psa.Field, psa.Defaults) ([]psa.Option, error) {
	return o, nil
}

// The values of a field are the ticket system's words, and the error is shown and logged.
func TestADefaultsErrorIsShortWhateverTheValuesAre(t *testing.T) {
	t.Parallel()
	var list options
	for range 50 {
		list = append(list, psa.Option{Named: psa.Named{ID: strings.Repeat("1", 1<<16), Name: "x\u202e\n" + strings.Repeat("y", 1<<16)}})
	}
	_, err := psa.Defaults{Status: psa.Named{Name: "New"}}.Validate(t.Context(), list)
	require.ErrorIs(t, err, psa.ErrValidation)
	require.Less(t, len(err.Error()), 10_000)
	require.NotContains(t, err.Error(), "\u202e")
	require.ErrorContains(t, err, "and 25 more")
}
