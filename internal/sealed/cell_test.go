package sealed_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sealed"
)

var errConflict = errors.New("conflict")

type shelf struct {
	mu   sync.Mutex
	at   map[string][]byte
	revs map[string]int64
	// stuck makes every swap meet another one.
	stuck bool
	// fail is what every swap fails with.
	fail  error
	swaps int
}

func (s *shelf) get(_ context.Context, place ...string) ([]byte, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := strings.Join(place, "/")
	return s.at[k], s.revs[k], nil
}

func (s *shelf) swap(_ context.Context, record []byte, rev int64, _ time.Time, place ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swaps++
	k := strings.Join(place, "/")
	if s.fail != nil {
		return s.fail
	}
	if s.stuck || s.revs[k] != rev {
		return errConflict
	}
	s.at[k], s.revs[k] = record, rev+1
	return nil
}

type counter struct{ N int }

func newCell(t *testing.T) (*shelf, *sealed.Cell[counter]) {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	box, err := seal.New(ring, "test")
	require.NoError(t, err)
	s := &shelf{at: map[string][]byte{}, revs: map[string]int64{}}
	return s, sealed.New[counter](box, s.get, s.swap, errConflict)
}

func add(c *counter) (bool, error) { c.N++; return true, nil }

func TestEveryChangeOfManyAtOnceIsKept(t *testing.T) {
	t.Parallel()
	_, cell := newCell(t)
	race.On([]int{0}, func(int, int) {
		if err := cell.Change(t.Context(), time.Now(), add, "a", "b"); err != nil {
			t.Errorf("unexpected error: %v", err)
		}
	})
	v, err := cell.Load(t.Context(), "a", "b")
	require.NoError(t, err)
	require.Equal(t, race.Goroutines, v.N)
	v, err = cell.Load(t.Context(), "a", "c")
	require.NoError(t, err)
	require.Zero(t, v.N)
}

func TestWhatIsNotDecidedIsNotStored(t *testing.T) {
	t.Parallel()
	s, cell := newCell(t)
	refused := errors.New("refused")
	require.ErrorIs(t, cell.Change(t.Context(), time.Now(), func(*counter) (bool, error) { return true, refused }, "a"), refused)
	require.NoError(t, cell.Change(t.Context(), time.Now(), func(*counter) (bool, error) { return false, nil }, "a"))
	require.Zero(t, s.swaps)
	away := errors.New("the database is away")
	s.fail = away
	require.ErrorIs(t, cell.Change(t.Context(), time.Now(), add, "a"), away)
	require.Equal(t, 1, s.swaps, "that is not tried again")
	s.swaps, s.fail, s.stuck = 0, nil, true
	require.ErrorIs(t, cell.Change(t.Context(), time.Now(), add, "a"), errConflict)
	require.Equal(t, sealed.MaxConflicts, s.swaps)
}

func TestARecordOpensOnlyAtItsPlaceAndErrorsAreSilent(t *testing.T) {
	t.Parallel()
	s, cell := newCell(t)
	require.NoError(t, cell.Change(t.Context(), time.Now(), add, "a"))
	s.at["b"] = s.at["a"]
	_, err := cell.Load(t.Context(), "b")
	require.ErrorIs(t, err, seal.ErrCorrupt)
	require.ErrorIs(t, cell.Change(t.Context(), time.Now(), add, "b"), seal.ErrCorrupt)

	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	box, err := seal.New(ring, "test")
	require.NoError(t, err)
	s.at["c"] = box.Seal([]byte(`{"N":"hunter2"}`), "c")
	other := sealed.New[counter](box, s.get, s.swap, errConflict)
	_, err = other.Load(t.Context(), "c")
	require.EqualError(t, err, "the record cannot be read")
}
