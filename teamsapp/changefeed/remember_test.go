package changefeed

import (
	"strconv"
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
