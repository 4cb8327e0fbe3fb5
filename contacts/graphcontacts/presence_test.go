package graphcontacts_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/internal/graphfake"
)

func TestPresences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	put := func(availability, activity string) string {
		return w.contoso.Put(graphfake.User{DisplayName: availability, Presence: availability, Activity: activity})
	}
	ids := []string{
		put("Available", ""), put("Busy", "InACall"), put("Busy", "Presenting"), put("Away", ""), put("DoNotDisturb", ""), put("Offline", ""), put("", ""),
	}
	ids = append(ids, ids[0], "00000000-0000-4000-8000-000000000001")
	s, err := graphcontacts.NewPresences(w.creds, w.options(graphcontacts.Options{}))
	require.NoError(t, err)
	got, err := s.Presences(t.Context(), "contoso", ids)
	require.NoError(t, err)
	require.Len(t, got, len(ids))
	for i, want := range []bool{true, true, false, false, false, false, false, true, false} {
		require.Equal(t, want, got[i].Reachable, "%d: %+v", i, got[i])
	}
	require.Equal(t, graphcontacts.Presence{Availability: "Busy", Activity: "InACall", Reachable: true}, got[1])

	_, err = s.Presences(t.Context(), "contoso", []string{"me"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = s.Presences(t.Context(), "nobody", ids)
	require.ErrorIs(t, err, contacts.ErrTenant)
	none, err := s.Presences(t.Context(), "contoso", nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestManyPresences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	ids := make([]string, 651)
	for i := range ids {
		ids[i] = w.contoso.Put(graphfake.User{DisplayName: strconv.Itoa(i), Presence: "Available"})
	}
	s, err := graphcontacts.NewPresences(w.creds, w.options(graphcontacts.Options{}))
	require.NoError(t, err)
	got, err := s.Presences(t.Context(), "contoso", ids)
	require.NoError(t, err)
	for i, p := range got {
		require.True(t, p.Reachable, i)
	}
	sizes := []int{}
	for _, r := range w.Requests() {
		var b struct{ IDs []string }
		require.NoError(t, json.Unmarshal(r.Body, &b))
		sizes = append(sizes, len(b.IDs))
	}
	require.Equal(t, []int{650, 1}, sizes)
}
