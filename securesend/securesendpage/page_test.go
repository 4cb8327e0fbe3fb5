package securesendpage_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryKindOfLinkHasItsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range []sent{w.create(), w.grant(), w.ask()} {
		rec := w.get(s.path)
		require.Equal(t, http.StatusOK, rec.Code)
		require.Contains(t, rec.Body.String(), `data-api="../`+s.path[len("/send/"):]+`"`)
	}
	require.Equal(t, http.StatusOK, w.get("/send/sw.js").Code)
}
