package pgwatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/sqlstore/pgwatch"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	_, err := pgwatch.New(nil, nil, &pgwatch.Options{Poll: time.Millisecond})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, text := range []string{"the store is nil", "connect is nil", "Poll is 1ms"} {
		require.ErrorContains(t, err, text)
	}
	_, err = pgwatch.New(&sqlstore.Store{}, pgwatch.Dial(mspkit.Redact("")), nil)
	require.NoError(t, err)
}
