package cloudblob_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/cloudblob"
)

// vanishing is a bucket whose listings break on their second page as often as it is told, because something vanished while
// it was read. It knows no other verbs than those that a listing and a Delete need.
type vanishing struct {
	driver.Bucket
	breaks, listings int
	code             gcerrors.ErrorCode
	deleted          chan string
}

var errVanished = errors.New("lstat 0-2.tmp: no such file")

func (b *vanishing) ListPaged(_ context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	switch {
	case len(o.PageToken) == 0:
		b.listings++
		return &driver.ListPage{Objects: []*driver.ListObject{{Key: o.Prefix + "0-1", Size: 7}}, NextPageToken: []byte("more")}, nil
	case b.listings <= b.breaks:
		return nil, errVanished
	}
	return &driver.ListPage{Objects: []*driver.ListObject{{Key: o.Prefix + "0-2", Size: 8}}}, nil
}

func (b *vanishing) Delete(_ context.Context, key string, _ *driver.DeleteOptions) error {
	b.deleted <- key[len(key)-len("0-1"):]
	return nil
}

func (b *vanishing) ErrorCode(error) gcerrors.ErrorCode { return b.code }
func (b *vanishing) ErrorAs(error, any) bool            { return false }
func (b *vanishing) Close() error                       { return nil }

func vanishes(t *testing.T, breaks int, code gcerrors.ErrorCode) (*vanishing, *cloudblob.Store) {
	t.Helper()
	b := &vanishing{breaks: breaks, code: code, deleted: make(chan string, 10)}
	return b, store(t, closing(t, blob.NewBucket(b), nil), nil)
}

// TestWhatVanishesDuringAListing: the listing begins again, and nothing of the broken ones is in it.
func TestWhatVanishesDuringAListing(t *testing.T) {
	t.Parallel()
	for _, breaks := range []int{0, 1, 9} {
		b, s := vanishes(t, breaks, gcerrors.NotFound)
		got, err := s.List(t.Context(), part.Ref)
		require.NoError(t, err)
		require.Equal(t, []securesend.PartInfo{{N: 1, Size: 7}, {N: 2, Size: 8}}, got)
		require.Equal(t, breaks+1, b.listings)

		b, s = vanishes(t, breaks, gcerrors.NotFound)
		require.NoError(t, s.Delete(t.Context(), part.Ref))
		require.ElementsMatch(t, []string{"0-1", "0-2"}, drain(b.deleted), "each once")
	}
}

func drain(c chan string) (out []string) {
	close(c)
	for s := range c {
		out = append(out, s)
	}
	return out
}

// TestListingsThatDoNotGetBetter: who always says that something is not there, as a bucket that does not exist, is believed
// in the end; every other failure is told at once. Nothing is deleted by half a listing.
func TestListingsThatDoNotGetBetter(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		code gcerrors.ErrorCode
		want int
	}{
		"never there":     {t.Context(), gcerrors.NotFound, 10},
		"nobody waits":    {ended, gcerrors.NotFound, 1},
		"another failure": {t.Context(), gcerrors.PermissionDenied, 1},
	} {
		b, s := vanishes(t, 1000, c.code)
		got, err := s.List(c.ctx, part.Ref)
		require.ErrorContains(t, err, "cloudblob: list: ", name)
		require.Empty(t, got, name)
		require.Equal(t, c.want, b.listings, name)
		require.ErrorContains(t, s.Delete(c.ctx, part.Ref), "cloudblob: delete: ", name)
		require.Equal(t, 2*c.want, b.listings, name)
		require.Empty(t, drain(b.deleted), name)
	}
}
