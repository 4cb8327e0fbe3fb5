package psa_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/stretchr/testify/require"
)

func TestFateOfEachError(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]psa.Fate{
		psa.ErrNotFound:       psa.Never,
		psa.ErrUnauthorized:   psa.Later,
		psa.ErrForbidden:      psa.Later,
		psa.ErrRateLimited:    psa.Later,
		psa.ErrValidation:     psa.Never,
		psa.ErrConflict:       psa.Later,
		psa.ErrClosed:         psa.Never,
		psa.ErrTooLong:        psa.Never,
		psa.ErrUnsupported:    psa.Never,
		psa.ErrUnavailable:    psa.Later,
		psa.ErrAmbiguousWrite: psa.Unclear,
		psa.ErrOrigin:         psa.Later,
		mspkit.ErrInvalid:     psa.Never,
		context.Canceled:      psa.Unclear,
		errors.New("unknown"): psa.Unclear,
	} {
		require.Equal(t, want, psa.FateOf(err), "%v", err)
		require.Equal(t, want, psa.FateOf(fmt.Errorf("wrapped: %w", &psa.Error{System: "x", Op: "y", Err: err})), "%v", err)
		if want != psa.Unclear { // whatever else is said: it may have been written
			require.Equal(t, psa.Unclear, psa.FateOf(errors.Join(err, psa.ErrAmbiguousWrite)), "%v", err)
		}
	}
	require.Equal(t, psa.Never, psa.FateOf(&psa.DefaultsError{}))
	require.Equal(t, psa.Later, psa.FateOf(errors.Join(psa.ErrNotFound, psa.ErrUnauthorized)), "what can be repaired wins")
	for f, name := range map[psa.Fate]string{psa.Unclear: "unclear", psa.Later: "later", psa.Never: "never", psa.Fate(9): "unclear"} {
		require.Equal(t, name, f.String())
	}
}

func TestAnErrorTellsWhatToDoAndNothingOfTheNote(t *testing.T) {
	t.Parallel()
	const said = "Bad note: Dana Whitfield is verified"
	err := &psa.Error{
		System: "connectwise", Op: "add note", Status: 400, Code: "InvalidObject", Fields: []string{"text", "board"},
		Advice: "ask an administrator", Message: mspkit.Redact(said), RetryAfter: 30 * time.Second, Err: psa.ErrValidation,
	}
	require.Equal(t, "psa: connectwise: add note: the ticket system refuses the values "+
		"(status 400; code InvalidObject; fields text, board; asks to wait 30s): ask an administrator", err.Error())
	for _, text := range []string{err.Error(), fmt.Sprint(err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", *err)} {
		require.NotContains(t, text, "Dana")
	}
	require.ErrorIs(t, err, psa.ErrValidation)
	require.Equal(t, said, err.Message.Reveal())
	require.Equal(t, "psa: x: y", (&psa.Error{System: "x", Op: "y"}).Error())
	require.Equal(t, `psa: x: set status: status "Gone" is unknown`, (&psa.Error{
		System: "x", Op: "set status", Err: &psa.DefaultsError{Field: psa.FieldStatus, Value: psa.Named{Name: "Gone"}, Reason: "is unknown"},
	}).Error(), "the prefix comes once")
}

func TestANewTicketAndAWorkingTimeAreChecked(t *testing.T) {
	t.Parallel()
	require.NoError(t, psa.NewTicket{Title: "x"}.Validate())
	require.NoError(t, psa.NewTicket{Title: "x", Key: "vrf_01H-9"}.Validate())
	long := make([]byte, 65)
	for i := range long {
		long[i] = 'a'
	}
	for _, n := range []psa.NewTicket{{}, {Title: "x", Key: "a b"}, {Title: "x", Key: `a"`}, {Title: "x", Key: "ä"}, {Title: "x", Key: string(long)}} {
		require.ErrorIs(t, n.Validate(), mspkit.ErrInvalid, "%+v", n)
	}
	at := time.Unix(1000, 0)
	require.NoError(t, psa.TimeEntry{Start: at, End: at.Add(1)}.Validate())
	for _, e := range []psa.TimeEntry{{}, {Start: at}, {End: at}, {Start: at, End: at}, {Start: at, End: at.Add(-1)}} {
		require.ErrorIs(t, e.Validate(), mspkit.ErrInvalid, "%+v", e)
	}
}
