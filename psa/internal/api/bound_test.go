package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/psa"
)

// Ten megabytes of "{}" would become a gigabyte of records.
func TestAnAnswerOfTooManyValuesOrBytesIsRefused(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"many records":       "[" + strings.Repeat("{},", maxValues+1) + "{}]",
		"many numbers":       "[" + strings.Repeat("1,", maxValues+1) + "1]",
		"many in one record": `[{"items":[` + strings.Repeat("{},", maxValues+1) + `{}]}]`,
		"long":               `[{"note":"` + strings.Repeat("x", 10<<20) + `"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
			type record struct {
				Note  string
				Items []struct{ Wide [30]string }
				Wide  [30]string
			}
			var out []record
			_, err := c.Do(t.Context(), Request{Op: "read", Method: http.MethodGet, URL: base}, &out)
			require.ErrorIs(t, err, psa.ErrUnavailable)
			require.ErrorIs(t, err, ErrTooBig)
			require.ErrorContains(t, err, "the answer is too big")
			require.Empty(t, out)
			_, err = c.Do(t.Context(), Request{Op: "write", Method: http.MethodPost, URL: base, Write: true}, &out)
			require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
		})
	}
}

// What looks like JSON in a text counts for nothing, however the reads fall.
func TestTextCountsForNothing(t *testing.T) {
	t.Parallel()
	want := []string{strings.Repeat(`,[{"`, maxValues/4), `\`, `\"`, "", `\\",`}
	raw, err := json.Marshal(want)
	require.NoError(t, err)
	var got []string
	require.NoError(t, decode(strings.NewReader(string(raw)), &got))
	require.Equal(t, want, got)
	small, err := json.Marshal(want[1:])
	require.NoError(t, err)
	c := &counter{r: iotest.OneByteReader(strings.NewReader(string(small))), left: 4}
	require.NoError(t, json.NewDecoder(c).Decode(&got))
	require.Equal(t, want[1:], got)
	require.Zero(t, c.left)
}
