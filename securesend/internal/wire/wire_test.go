package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

func TestBytesAreWrittenInOneWay(t *testing.T) {
	t.Parallel()
	out, err := json.Marshal(wire.Commit{Upload: []byte{0xfb, 0xff}})
	require.NoError(t, err)
	require.JSONEq(t, `{"upload":"-_8","header":"","manifest":""}`, string(out))
	for _, bad := range []string{"-_8=", "+/8", "-_9", "-_8 ", "-\n_8", "\n", "A", "é"} {
		_, err := wire.ParseBytes(bad)
		require.Error(t, err, "%q", bad)
		require.NotContains(t, err.Error(), bad)
	}
}

func TestDecodeTellsWhatBrokeOffFromWhatIsWrong(t *testing.T) {
	t.Parallel()
	var v wire.Upload
	boom := errors.New("boom")
	require.ErrorIs(t, wire.Decode(io.MultiReader(strings.NewReader(`{"upl`), iotest.ErrReader(boom)), &v), boom)
	require.ErrorIs(t, wire.Decode(io.MultiReader(strings.NewReader(`{}`), iotest.ErrReader(boom)), &v), boom)
	for _, bad := range []string{``, `{`, `{}x`, `{"secret-field":1}`, `{"upload":"secret value"}`, `{"upload":3}`, `[]`} {
		err := wire.Decode(strings.NewReader(bad), &v)
		require.ErrorIs(t, err, wire.ErrBody, bad)
		require.NotContains(t, err.Error(), "secret")
	}
	require.NoError(t, wire.Decode(strings.NewReader(" {\"number\":\"1\"}\n"), &v))
	require.True(t, wire.IsType("application/json; charset=utf-8", wire.JSON))
	require.False(t, wire.IsType("application/jsonp", wire.JSON))
}

func TestErrorsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err    error
		status int
	}{
		{securesend.ErrNotFound, 404},
		{securesend.ErrAuth, 403},
		{securesend.ErrNumber, 403},
		{securesend.ErrPassphrase, 403},
		{securesend.ErrGate, 403},
		{securesend.ErrForbidden, 403},
		{securesend.ErrDraft, 409},
		{securesend.ErrOpening, 409},
		{securesend.ErrConflict, 409},
		{securesend.ErrEnded, 410},
		{securesend.ErrTooLarge, 413},
		{securesend.ErrInvalid, 422},
		{securesend.ErrEnvelope, 422},
		{securesend.ErrUnsupported, 422},
		{securesend.ErrLocked, 423},
		{securesend.ErrRegion, 503},
		{securesend.ErrDelivery, 503},
	} {
		status, e := wire.FromError(fmt.Errorf("take: the secret %w", tc.err))
		require.Equal(t, tc.status, status, tc.err)
		require.NotContains(t, e.Message, "secret")
		require.ErrorIs(t, e.Err(), tc.err)
	}
	status, e := wire.FromError(&securesend.Refusal{Err: securesend.ErrLocked, TriesLeft: 0, PassTriesLeft: 3})
	require.Equal(t, 423, status)
	require.Equal(t, &securesend.Refusal{Err: securesend.ErrLocked, PassTriesLeft: 3}, e.Err())
	status, e = wire.FromError(&securesend.LimitError{Limit: securesend.LimitCodes, RetryAfter: 1500 * time.Millisecond})
	require.Equal(t, 429, status)
	require.Equal(t, &securesend.LimitError{Limit: securesend.LimitCodes, RetryAfter: 2 * time.Second}, e.Err())
	require.NotContains(t, wire.Error{Code: "limited", Limit: "\x1b[31mred", RetryAfter: -5}.Err().Error(), "red")
	status, e = wire.FromError(errors.New("the disk is on fire"))
	require.Equal(t, 503, status)
	require.Equal(t, wire.CodeUnavailable, e.Code)
	require.NoError(t, e.Err())
	status, _ = wire.FromError(fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 1}))
	require.Equal(t, 413, status)
}

// FuzzDecode reads anything: what is taken is written and taken again.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"upload":"AAAA","sizes":[1,2]}`, `{"upload":null}`, `{"sizes":[1e99]}`, "\xff", `{"UPLOAD":"AA"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v, again wire.Commit
		if wire.Decode(bytes.NewReader(body), &v) != nil {
			return
		}
		out, err := json.Marshal(v)
		require.NoError(t, err)
		require.NoError(t, wire.Decode(bytes.NewReader(out), &again))
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(out), string(twice))
	})
}
