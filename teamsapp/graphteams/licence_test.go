package graphteams

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALicenceForTeamsIsKnownByServiceOrPlan(t *testing.T) {
	t.Parallel()
	for plan, want := range map[string]bool{
		`{"service":"TeamspaceAPI","capabilityStatus":"Enabled"}`:                                                true,
		`{"service":"teamspaceapi/de","capabilityStatus":"enabled"}`:                                             true,
		`{"service":"other","capabilityStatus":"Enabled","servicePlanId":"` + teamsPlan + `"}`:                   true,
		`{"service":"TeamspaceAPI","capabilityStatus":"Warning"}`:                                                true, // it is not paid for, and works
		`{"service":"TeamspaceAPI","capabilityStatus":"Suspended"}`:                                              false,
		`{"service":"TeamspaceAPI","capabilityStatus":"Deleted"}`:                                                false,
		`{"service":"exchange","capabilityStatus":"Enabled"}`:                                                    false,
		`{"service":"exchange","capabilityStatus":"Deleted","servicePlanId":"` + teamsPlan + `"}`:                false,
		`{"service":"x","capabilityStatus":"Enabled"},{"service":"TeamspaceAPI","capabilityStatus":"LockedOut"}`: false,
	} {
		var p person
		require.NoError(t, json.Unmarshal([]byte(`{"assignedPlans":[`+plan+`]}`), &p))
		yes, known := p.licensed()
		require.True(t, known)
		require.Equal(t, want, yes, plan)
		require.Equal(t, !want, p.unlicensed(), plan)
		p.Type = "Guest"
		require.False(t, p.unlicensed(), "that of a guest is in another tenant")
	}
	_, known := (&person{}).licensed()
	require.False(t, known, "not told is not none")
}
