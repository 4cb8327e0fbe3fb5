package stores_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/it/sendhttp"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

// sendPages serves the pages of sends of one instance, as a process of a host does, and returns where they are.
func sendPages(t testing.TB, store securesend.SecretStore, ring *mspkit.KeyRing, o *securesend.Options) (*securesend.Service, string) {
	t.Helper()
	svc, err := securesend.New(store, ring, "https://help.example/send", securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}), o)
	require.NoError(t, err)
	pages, err := securesendpage.New(svc, nil)
	require.NoError(t, err)
	server := httptest.NewServer(http.StripPrefix("/send", pages))
	t.Cleanup(server.Close)
	return svc, server.URL + "/send"
}

// TestOfAllReadersOnTwoInstancesOneReads lets 64 readers with claims of their own, spread over two instances with connections of
// their own, want one send at once: 8 sends, with MSPKIT_SOAK=1 200.
func TestOfAllReadersOnTwoInstancesOneReads(t *testing.T) {
	t.Parallel()
	rounds := 8
	if os.Getenv("MSPKIT_SOAK") != "" {
		rounds = 200
	}
	for name, storage := range map[string]func(t *testing.T) func() securesend.SecretStore{
		"SQLite": func(t *testing.T) func() securesend.SecretStore {
			t.Helper()
			d := sendFile(t)
			return func() securesend.SecretStore { return openSend(t, d) }
		},
		"PostgreSQL": func(t *testing.T) func() securesend.SecretStore {
			t.Helper()
			d := sendSchema(t)
			return func() securesend.SecretStore { return openSend(t, d) }
		},
		"Redis": func(t *testing.T) func() securesend.SecretStore {
			t.Helper()
			k := redisKeys(t)
			return func() securesend.SecretStore { return k.openSends(t) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open, ring := storage(t), newRing(t)
			var revealed atomic.Int64
			count := securesend.RecorderFunc(func(_ context.Context, e securesend.Event) error {
				if e.Kind == securesend.EventRevealed {
					revealed.Add(1)
				}
				return nil
			})
			one, first := sendPages(t, open(), ring, &securesend.Options{Recorder: count})
			_, second := sendPages(t, open(), ring, nil)
			client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: race.Goroutines}}
			t.Cleanup(client.CloseIdleConnections)
			for round := range rounds {
				s, err := one.Create(t.Context(), securesend.SendRequest{
					Tenant: "contoso", By: securesend.Technician{ID: "jane"}, Text: mspkit.Redact("hunter2"),
				})
				require.NoError(t, err)
				require.NoError(t, everybody(t.Context(), client, s, first, second), "round %d", round)
			}
			require.NoError(t, one.RunOnce(t.Context()))
			require.EqualValues(t, rounds, revealed.Load(), "events of reveals")
		})
	}
}

// everybody takes s at once and looks who got it. Who did fetches it again and acknowledges; nobody gets it after that.
func everybody(ctx context.Context, client *http.Client, s securesend.Sent, bases ...string) error {
	reader, err := sendhttp.NewReader(s)
	if err != nil {
		return err
	}
	rivals := make([]*sendhttp.Reader, race.Goroutines)
	got, errs := make([]sendhttp.Taken, race.Goroutines), make([]error, race.Goroutines)
	for i := range rivals {
		rivals[i] = reader.Rival()
	}
	race.On(bases, func(base string, i int) { got[i], errs[i] = rivals[i].Take(ctx, client, base) })
	winner := -1
	for i, err := range errs {
		switch code := sendhttp.Code(err); {
		case err == nil && winner >= 0:
			return fmt.Errorf("%d and %d got the half", winner, i)
		case err == nil:
			winner = i
		case code != "opening":
			return fmt.Errorf("%d was told: %w", i, err)
		}
	}
	if winner < 0 {
		return errors.New("nobody got the half")
	}
	w := rivals[winner]
	again, err := w.Take(ctx, client, bases[(winner+1)%len(bases)])
	if err != nil || string(again.Half) != string(got[winner].Half) {
		return fmt.Errorf("the winner asked the other instance: %w", err)
	}
	if text, _, err := w.Content(again, nil); err != nil || text != "hunter2" {
		return fmt.Errorf("the content does not open: %w", err)
	}
	if err := w.Ack(ctx, client, bases[winner%len(bases)]); err != nil {
		return fmt.Errorf("the winner acknowledged: %w", err)
	}
	for i, r := range []*sendhttp.Reader{w, reader.Rival()} {
		if _, err := r.Take(ctx, client, bases[i%len(bases)]); sendhttp.Code(err) != "ended" {
			return fmt.Errorf("after the end: %w", err)
		}
	}
	return nil
}
