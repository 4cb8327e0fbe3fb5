package contacts_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
)

var photoOf = func(a contacts.PhotoSource) map[string]contacts.PhotoSource {
	return map[string]contacts.PhotoSource{"entra": a}
}

// A source that gives an unusable picture loses the picture, neither those of the others nor the sync.
func TestAPictureThatCannotBeUsedCostsNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := contacts.Photo{Type: "image/png", Data: []byte("\x89PNG\r\n\x1a\nface"), Version: "1"}
	a := album{
		"contoso-001": good,
		"contoso-002": {Type: "image/svg+xml", Data: []byte("<svg onload=alert(1)>"), Version: "1"},
		"contoso-003": {Type: "image/png", Data: make([]byte, contacts.MaxPhoto+1), Version: "1"},
		"contoso-004": {Type: "image/png", Data: good.Data, Version: "a\nb"},
		"contoso-005": good,
	}
	s := w.syncer(t, &contacts.SyncerOptions{Photos: photoOf(a)})
	r, err := s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.Equal(t, 2, r.Photos)
	for id, there := range map[string]bool{"contoso-001": true, "contoso-002": false, "contoso-003": false, "contoso-004": false, "contoso-005": true} {
		c, err := w.dir.BySource(t.Context(), "contoso", "entra", id)
		require.NoError(t, err)
		_, err = w.dir.Photo(t.Context(), "contoso", c.ID)
		require.Equal(t, there, err == nil, id)
	}
	due, err := w.dir.PhotosDue(t.Context(), "contoso", "entra", w.now(), 0)
	require.NoError(t, err)
	require.Empty(t, due, "they are looked at again in a week, and not first of all in each run")
}

type brokenAlbum struct{ asked int }

func (b *brokenAlbum) FetchPhotos(context.Context, mspkit.TenantID, []contacts.PhotoDue) ([]contacts.Photo, error) {
	b.asked++
	return nil, errors.New("no permission to see pictures")
}

// Pictures that cannot be read are told of; people stay in step at their usual times.
func TestPicturesThatFailDoNotHoldUpPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := &brokenAlbum{}
	s := w.syncer(t, &contacts.SyncerOptions{Every: time.Hour, Photos: photoOf(b)})
	require.NoError(t, s.Schedule(t.Context(), contoso, time.Time{}))
	for round := range 3 {
		id := fmt.Sprintf("new-%d", round)
		w.source.Put(contacts.Contact{Tenant: "contoso", ID: id, Name: "Person " + id, Enabled: true})
		require.NoError(t, s.RunOnce(t.Context()))
		require.Contains(t, w.known(t, "contoso"), id)
		c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
		require.NoError(t, err)
		require.Contains(t, c.Failure, "pictures")
		require.Equal(t, w.now().Add(time.Hour), c.DueAt, "neither every minute nor ever later")
		w.advance(time.Hour)
	}
	require.Equal(t, 3, b.asked)
}

// halved is a source that has lost half of its people for a while.
type halved struct {
	*contactstest.Source
	lost func() bool
}

func (h halved) FetchContacts(ctx context.Context, q contacts.Query) (contacts.Page, error) {
	p, err := h.Source.FetchContacts(ctx, q)
	if h.lost() && p.More && q.Cursor != "" {
		p.Contacts = nil
	}
	return p, err
}

// A run that a mass leave has stopped was read from a source at fault: when the source is well again, nobody leaves
// because of what that run has not seen, also not where an administrator allows what the plan says.
func TestAMassLeaveIsForgottenWhenTheSourceIsWellAgain(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*contacts.SyncOptions{"by itself": nil, "allowed": {AllowMassLeave: true}} {
		w := newWorld(t)
		w.source.Put(staff("contoso", 40)...)
		lost := false
		s, err := contacts.NewSyncer(w.dir, map[string]contacts.ContactSource{"entra": halved{w.source, func() bool { return lost }}},
			&contacts.SyncerOptions{Now: w.now})
		require.NoError(t, err)
		_, err = s.Sync(t.Context(), contoso, nil)
		require.NoError(t, err)
		lost = true
		for n := range 3 {
			w.source.Forget()
			_, err = s.Sync(t.Context(), contoso, nil)
			require.ErrorIs(t, err, contacts.ErrMassLeave)
			c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
			require.NoError(t, err)
			require.Equal(t, n+1, c.Failures, "the pages that were read are no progress: the next try comes later each time")
		}
		lost = false
		_, plan, err := s.Plan(t.Context(), contoso, nil)
		require.NoError(t, err)
		require.Zero(t, plan.Left)
		r, err := s.Sync(t.Context(), contoso, o)
		require.NoError(t, err, name)
		require.Zero(t, r.Left, name)
		require.Len(t, w.known(t, "contoso"), 40)
	}
}

// What an administrator allows is what the source says now: a run that stopped halfway begins anew.
func TestAllowingAMassLeaveDoesNotTrustAnEarlierRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.source.Put(staff("contoso", 40)...)
	lost := false
	s, err := contacts.NewSyncer(w.dir, map[string]contacts.ContactSource{"entra": halved{w.source, func() bool { return lost }}},
		&contacts.SyncerOptions{Now: w.now})
	require.NoError(t, err)
	_, err = s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	w.source.Forget()
	lost = true
	asked := 0
	w.source.SetFault(func(contacts.Query) error {
		if asked++; asked > 8 {
			return errors.New("down")
		}
		return nil
	})
	_, err = s.Sync(t.Context(), contoso, nil)
	require.Error(t, err)
	lost = false
	w.source.SetFault(nil)
	r, err := s.Sync(t.Context(), contoso, &contacts.SyncOptions{AllowMassLeave: true})
	require.NoError(t, err)
	require.Zero(t, r.Left)
}

// A source that is forgotten while it is read does not come back by the pages that were on their way.
func TestForgettingASourceEndsItsSync(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"between two pages": nil, "and the tenant refuses": contacts.ErrTenant, "and the cursor is refused": contacts.ErrCursor} {
		w := newWorld(t)
		s := w.syncer(t, nil)
		asked := 0
		w.source.SetFault(func(contacts.Query) error {
			if asked++; asked == 2 {
				_, err := w.dir.Forget(context.WithoutCancel(t.Context()), "contoso", "entra", w.now())
				require.NoError(t, err)
				return fault
			}
			return nil
		})
		require.NoError(t, s.Schedule(t.Context(), contoso, w.now().Add(time.Hour)))
		_, err := s.Sync(t.Context(), contoso, nil)
		require.Error(t, err, name)
		require.Empty(t, w.known(t, "contoso"), name)
		c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
		require.NoError(t, err)
		require.Zero(t, c.Rev, "%s: there is no checkpoint again", name)
	}
}

// A cursor that is refused again and again is no progress, whatever pages came before it.
func TestACursorThatIsAlwaysRefusedIsTriedLaterEachTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.syncer(t, nil)
	require.NoError(t, s.Schedule(t.Context(), contoso, time.Time{}))
	w.source.SetFault(func(q contacts.Query) error {
		if q.Cursor != "" {
			return contacts.ErrCursor
		}
		return nil
	})
	for n := range 4 {
		require.NoError(t, s.RunOnce(t.Context()))
		c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
		require.NoError(t, err)
		require.Equal(t, n+1, c.Failures)
		w.advance(c.DueAt.Sub(w.now()))
	}
}

// What another instance does at the same time is no failure of the tenant.
func TestARunThatAnotherInstanceHasCompletedIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, faster := w.syncer(t, &contacts.SyncerOptions{Every: time.Hour}), w.syncer(t, &contacts.SyncerOptions{Every: time.Hour})
	require.NoError(t, s.Schedule(t.Context(), contoso, w.now()))
	asked := 0
	w.source.SetFault(func(contacts.Query) error {
		if asked++; asked == 1 {
			_, err := faster.Sync(context.WithoutCancel(t.Context()), contoso, nil)
			require.NoError(t, err)
		}
		return nil
	})
	r, err := s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.Equal(t, w.now().Add(time.Hour), r.Next)
	require.Equal(t, 4, asked, "three pages of the one, and the page that came too late")
	require.Len(t, w.kinds(t, "contoso"), 10)
}

// ahead is a directory where somebody else is faster for some times.
type ahead struct {
	contacts.Directory

	times *atomic.Int32
}

func (d ahead) SetCheckpoint(ctx context.Context, c contacts.Checkpoint) (contacts.Checkpoint, error) {
	if d.times.Add(-1) >= 0 {
		return contacts.Checkpoint{}, contacts.ErrStale
	}
	return d.Directory.SetCheckpoint(ctx, c)
}

func TestATenantIsScheduledWhileItIsSynced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	times := &atomic.Int32{}
	times.Store(3)
	w.dir = ahead{w.dir, times}
	require.NoError(t, w.syncer(t, nil).Schedule(t.Context(), contoso, w.now().Add(time.Minute)))
	c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
	require.NoError(t, err)
	require.Equal(t, w.now().Add(time.Minute), c.DueAt)
}

func TestASyncThatIsStoppedComesAgainAndIsPlannedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := w.syncer(t, &contacts.SyncerOptions{Watch: func(contacts.Report) { cancel() }})
	require.NoError(t, s.Schedule(t.Context(), contoso, w.now()))
	again, err := s.Drain(ctx, mspkit.Stream{Kind: contacts.SyncKind, Tenant: "contoso", Key: "entra"})
	require.NoError(t, err)
	require.Equal(t, w.now(), again)
	_, r, err := s.Plan(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.True(t, r.Whole)
	require.Equal(t, []int{10, 6, 4}, []int{r.Contacts, r.Joined, r.Same}, "with the page that was read already")
}

func TestTheTimeThatIsLeftIsToldOnceATenantIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.syncer(t, &contacts.SyncerOptions{Parallel: 1, Watch: func(contacts.Report) { w.advance(time.Second) }})
	var told []contacts.Progress
	_, err := s.SyncAll(t.Context(), []contacts.Job{contoso, fabrikam}, nil, func(p contacts.Progress) { told = append(told, p) })
	require.NoError(t, err)
	require.Len(t, told, 7, "five pages and two tenants")
	for i, want := range []time.Duration{-1, -1, -1, 3 * time.Second, 3 * time.Second, 4 * time.Second, 0} {
		require.Equal(t, want, told[i].Left, i)
	}
	last := told[6]
	require.Equal(t, []int{2, 2, 0, 5, 15}, []int{last.Tenants, last.Done, last.Failed, last.Pages, last.Contacts})
	require.InDelta(t, 3, last.Rate, 0.01)
}

func TestAnotherInstanceIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.syncer(t, nil)
	require.NoError(t, s.Schedule(t.Context(), contoso, w.now()))
	w.source.SetFault(func(contacts.Query) error { // somebody else is always ahead
		c, err := w.dir.Checkpoint(context.WithoutCancel(t.Context()), "contoso", "entra")
		require.NoError(t, err)
		_, err = w.dir.SetCheckpoint(context.WithoutCancel(t.Context()), c)
		require.NoError(t, err)
		return nil
	})
	r, err := s.Sync(t.Context(), contoso, nil)
	require.ErrorIs(t, err, contacts.ErrStale)
	require.Equal(t, w.now().Add(time.Minute), r.Next)
	c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
	require.NoError(t, err)
	require.Zero(t, c.Failures)
	require.Empty(t, c.Failure)
}

// Sources of another program that nobody syncs are due for ever, and do not keep ours from being found.
func TestWhatIsDueOfOtherProgramsDoesNotHideOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 1200 {
		_, err := w.dir.SetCheckpoint(t.Context(), contacts.Checkpoint{
			Tenant: mspkit.TenantID(fmt.Sprintf("t%04d", i)), Source: "another", DueAt: w.now().Add(-time.Hour),
		})
		require.NoError(t, err)
	}
	s := w.syncer(t, nil)
	require.NoError(t, s.Schedule(t.Context(), contoso, time.Time{}))
	require.NoError(t, s.Schedule(t.Context(), fabrikam, w.now().Add(time.Hour)))
	require.NoError(t, s.RunOnce(t.Context()))
	require.Len(t, w.known(t, "contoso"), 10)
	require.Empty(t, w.known(t, "fabrikam"))
}
