package redisx

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEventsThatWereHandedOutAreFoundAgain(t *testing.T) {
	t.Parallel()
	var h Handed
	h.Note("a", 1)
	require.Equal(t, [][]string{{"b"}, {"a", "b"}}, h.Take([]string{"a", "b"}, 2), "what is not known is looked for everywhere")
	require.Equal(t, [][]string{{"a"}, {"a"}}, h.Take([]string{"a"}, 2))
	for i := range maxHanded + 1 {
		h.Note(strconv.Itoa(i), 0)
	}
	require.LessOrEqual(t, len(h.shards), maxHanded)
}
