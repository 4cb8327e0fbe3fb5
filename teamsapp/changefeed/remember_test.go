package changefeed

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsRememberedOfSubscriptionsIsBounded(t *testing.T) {
	t.Parallel()
	var k knowledge
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for i := range 2*mostKnown + 1 {
		k.put(knownKey{id: strconv.Itoa(i)}, subscribed{EntraTenant: strconv.Itoa(i)}, now)
		require.LessOrEqual(t, len(k.subs), mostKnown)
	}
	s, ok := k.get(knownKey{id: strconv.Itoa(2 * mostKnown)}, now)
	require.True(t, ok)
	require.Equal(t, strconv.Itoa(2*mostKnown), s.EntraTenant)
}

// What a batch brings of tokens is kept with each of its items, and must stay small.
func TestTokensOfABatchAreBounded(t *testing.T) {
	t.Parallel()
	const tenant = "c0c0c0c0-0000-4000-8000-00000000000c"
	token := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	of := token(`{"tid":"` + strings.ToUpper(tenant) + `"}`)
	many := slices.Repeat([]string{of}, maxTokensOfItem+5)
	require.Equal(t, map[string][]string{tenant: many[:maxTokensOfItem]}, sorted(many))
	strange := []string{"", "e30", "e30.!.c2ln", token(`{"tid":"contoso"}`), token(`[]`), of + strings.Repeat("x", maxToken)}
	require.Equal(t, map[string][]string{tenant: {of}}, sorted(append(strange, of)))
	require.Empty(t, sorted(append(slices.Repeat([]string{""}, maxTokens), of)), "no batch of Graph has so many")
}

func TestIDsOfEventsAreOfTheTenantAndTheChange(t *testing.T) {
	t.Parallel()
	const path = "chats('19:x')/messages('1')"
	seen := map[string]bool{}
	for _, id := range []string{
		eventID("contoso", path, Updated, "1"), eventID("contoso", path, Updated, "2"), eventID("contoso", path, Deleted, "1"),
		eventID("contoso", path, Created, "1"), eventID("contoso", path+"x", Updated, "1"), eventID("fabrikam", path, Updated, "1"),
	} {
		require.False(t, seen[id])
		seen[id] = true
	}
	require.Equal(t, eventID("contoso", path, Created, "1"), eventID("contoso", path, Created, "2"), "it is created once")
}

func TestWhatHangsOnAMessageIsBounded(t *testing.T) {
	t.Parallel()
	m := chatMessage{ID: "1", Attachments: make([]messageAttachment, 2*maxAttachments), Reactions: make([]messageReaction, 2*maxReactions)}
	out := m.message(target{})
	require.Len(t, out.Attachments, maxAttachments)
	require.Len(t, out.Reactions, maxReactions)
}
