package gdap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// all runs 64 goroutines that ask two partners for tokens of many tenants, several times, and returns the errors.
func all(t *testing.T, ids []string, partners ...*gdap.Partner) []error {
	t.Helper()
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			p := partners[i%len(partners)]
			creds, err := p.Credentials(func(_ context.Context, tenant mspkit.TenantID) (string, error) { return string(tenant), nil })
			for round := range 3 {
				id := ids[(i/2+round)%len(ids)]
				if err == nil {
					cred, _ := creds.TenantCredential(t.Context(), mspkit.TenantID(id))
					_, err = cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
				}
				if err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
				p.Forget(id)
			}
		})
	}
	wg.Wait()
	return errs
}

func TestTwoInstancesRaceForOneRefreshToken(t *testing.T) {
	t.Parallel()
	for _, single := range []bool{false, true} {
		for _, exclusive := range []bool{false, true} {
			t.Run(fmt.Sprintf("single use %v, exclusive %v", single, exclusive), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, &graphfake.Options{SingleUseRefresh: single})
				w.options.Exclusive = exclusive
				a := w.signedIn(t)
				b := w.partner(t)
				var ids []string
				for i := range 16 {
					ids = append(ids, w.customer(fmt.Sprint("Customer ", i)).ID)
				}
				require.Empty(t, all(t, ids, a, b))
				h, err := a.Health(t.Context())
				require.NoError(t, err)
				require.False(t, h.NeedsSignIn, h.Problem)
				// Whoever starts now still gets in.
				_, err = w.token(t.Context(), w.partner(t), "contoso", graphScope)
				require.NoError(t, err)
			})
		}
	}
}

// TestAStrictIssuer is one that revokes the whole sign-in where a refresh token comes back a second time: only one at a time
// survives that.
func TestAStrictIssuer(t *testing.T) {
	t.Parallel()
	s, err := entratest.Start(&entratest.Options{StrictRefresh: true})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	app := s.AddApp(entratest.App{Secret: secret})
	home := s.AddTenant("MSP", "msp.example")
	service := home.AddUser(entratest.User{Name: "Service"})
	var ids []string
	for i := range 8 {
		c := s.AddTenant(fmt.Sprint("Customer ", i), "")
		c.Consent(app.ID)
		c.Admit(service)
		ids = append(ids, c.ID)
	}
	store := entra.NewMemory()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k"))
	require.NoError(t, err)
	partner := func() *gdap.Partner {
		p, err := gdap.NewPartner(store, ring, &gdap.Options{
			Cloud: s.Cloud(), PartnerTenant: home.ID, ClientID: app.ID, Secret: mspkit.Redact(secret), HTTPClient: s.Client(), Exclusive: true,
		})
		require.NoError(t, err)
		return p
	}
	a, b := partner(), partner()
	require.NoError(t, a.SignIn(t.Context(), mspkit.Redact(s.RefreshToken(service, app.ID)), "anna"))
	require.Empty(t, all(t, ids, a, b))
	h, err := b.Health(t.Context())
	require.NoError(t, err)
	require.False(t, h.NeedsSignIn, h.Problem)
}

// TestAnInstanceThatDiedHoldsNobodyForEver lets an instance stop in the middle of its turn.
func TestAnInstanceThatDiedHoldsNobodyForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.options.Exclusive = true
	p := w.signedIn(t)
	before, rev, err := w.store.Token(t.Context(), w.partner(t).StoredAs())
	require.NoError(t, err)
	require.NotEmpty(t, before)
	other := w.partner(t)
	stuck := &stuckStore{Memory: w.store}
	dead, err := gdap.NewPartner(stuck, w.ring, &w.options)
	require.NoError(t, err)
	stuck.stopAfter = 1 // the turn is written, what comes after is not
	_, err = w.token(t.Context(), dead, "contoso", graphScope)
	require.NoError(t, err, "it got a token, and could not store the new refresh token")
	_, now, err := w.store.Token(t.Context(), w.partner(t).StoredAs())
	require.NoError(t, err)
	require.Equal(t, rev+1, now, "the turn is still held")

	waits := 0
	for _, p := range []*gdap.Partner{p, other} {
		p.OnPause(func(ctx context.Context, _ time.Duration) error {
			waits++
			w.clock.Add(10 * time.Second)
			return ctx.Err()
		})
		_, err = w.token(t.Context(), p, "contoso", graphScope)
		require.NoError(t, err)
	}
	require.Positive(t, waits)
}

// stuckStore fails to write after some writes.
type stuckStore struct {
	*entra.Memory
	stopAfter int
}

func (s *stuckStore) SwapToken(ctx context.Context, name string, sealed []byte, rev int64, now time.Time) (int64, error) {
	if s.stopAfter == 0 {
		return 0, errors.New("the database is gone")
	}
	s.stopAfter--
	return s.Memory.SwapToken(ctx, name, sealed, rev, now)
}

// leaving is a store that its caller leaves while it is written to.
type leaving struct {
	entra.TokenStore

	leave context.CancelFunc
}

func (s leaving) SwapToken(ctx context.Context, name string, sealed []byte, rev int64, now time.Time) (int64, error) {
	s.leave()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(100 * time.Millisecond):
		return s.TokenStore.SwapToken(ctx, name, sealed, rev, now)
	}
}

func TestANewRefreshTokenIsStoredThoughNobodyWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &graphfake.Options{SingleUseRefresh: true})
	name := w.signedIn(t).StoredAs()
	_, before, err := w.store.Token(t.Context(), name)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	p, err := gdap.NewPartner(leaving{w.store, cancel}, w.ring, &w.options)
	require.NoError(t, err)
	_, err = w.token(ctx, p, "contoso", graphScope)
	require.Error(t, err)
	require.Eventually(t, func() bool {
		_, rev, err := w.store.Token(t.Context(), name)
		return err == nil && rev > before
	}, 20*time.Second, 10*time.Millisecond)
	_, err = w.token(t.Context(), w.partner(t), "contoso", graphScope)
	require.NoError(t, err, "the old one is void")
}

func TestANewSignInWinsOverARotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	// While a token is redeemed, somebody signs in anew.
	inside := make(chan struct{})
	goOn := make(chan struct{})
	var once sync.Once
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.URL.Path == "/"+w.contoso.ID+"/oauth2/v2.0/token" {
			once.Do(func() {
				close(inside)
				<-goOn
			})
		}
		return nil
	})
	done := make(chan error, 1)
	go func() {
		_, err := w.token(t.Context(), p, "contoso", graphScope)
		done <- err
	}()
	<-inside
	require.NoError(t, w.partner(t).SignIn(t.Context(), mspkit.Redact(w.RefreshToken(w.home.ID, user)), "bert"))
	sealed, rev, err := w.store.Token(t.Context(), w.partner(t).StoredAs())
	require.NoError(t, err)
	close(goOn)
	require.NoError(t, <-done, "the access token is kept")
	again, after, err := w.store.Token(t.Context(), w.partner(t).StoredAs())
	require.NoError(t, err)
	require.Equal(t, rev, after)
	require.Equal(t, sealed, again, "the refresh token is dropped")
}

func TestOneRequestForAllWhoWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	inside := make(chan struct{})
	goOn := make(chan struct{})
	var once sync.Once
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.URL.Path == "/"+w.contoso.ID+"/oauth2/v2.0/token" {
			once.Do(func() { close(inside) })
			<-goOn
		}
		return nil
	})
	w.redeemed("")
	first, hangUp := context.WithCancel(t.Context())
	errs := make(chan error, 9)
	go func() {
		_, err := w.token(first, p, "contoso", graphScope)
		errs <- err
	}()
	<-inside
	var started sync.WaitGroup
	for range 8 {
		started.Add(1)
		go func() {
			started.Done()
			_, err := w.token(t.Context(), p, "contoso", graphScope)
			errs <- err
		}()
	}
	started.Wait()
	hangUp()
	require.ErrorIs(t, <-errs, context.Canceled, "who hangs up is let go")
	close(goOn)
	for range 8 {
		require.NoError(t, <-errs, "and does not end it for the others")
	}
}

// TestWhatWasOnItsWayIsForgottenToo forgets a tenant while a token of it is on its way, as a change of consent does.
func TestWhatWasOnItsWayIsForgottenToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	inside, goOn := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.URL.Path == "/"+w.contoso.ID+"/oauth2/v2.0/token" && calls.Add(1) == 1 {
			close(inside)
			<-goOn
		}
		return nil
	})
	old := make(chan string, 1)
	go func() {
		token, err := w.token(t.Context(), p, "contoso", graphScope)
		assert.NoError(t, err)
		old <- token
	}()
	<-inside
	p.Forget(w.contoso.ID)
	fresh, err := w.token(t.Context(), p, "contoso", graphScope) // does not wait for the one from before
	require.NoError(t, err)
	close(goOn)
	require.NotEqual(t, <-old, fresh)
	kept, err := w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
	require.Equal(t, fresh, kept)
}
