package stores_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/entra/accounts/accountstest"
	accountssql "github.com/mspkit/mspkit/entra/accounts/sqlstore"
)

// openAccounts opens two instances with pools of their own on the tables of d, as two processes have.
func openAccounts(t *testing.T, d database) (first, second *accountssql.Store) {
	t.Helper()
	o := &accountssql.Options{Schema: d.schema}
	require.NoError(t, accountssql.Migrate(t.Context(), d.open(t), d.dialect, o))
	require.NoError(t, accountssql.Migrate(t.Context(), d.open(t), d.dialect, o), "again")
	stores := make([]*accountssql.Store, 2)
	for i := range stores {
		db := d.open(t)
		db.SetMaxOpenConns(4)
		var err error
		stores[i], err = accountssql.New(db, d.dialect, o)
		require.NoError(t, err)
	}
	return stores[0], stores[1]
}

func TestAccountsOnSQLite(t *testing.T) {
	t.Parallel()
	accountstest.TestStore(t, func(t *testing.T) (first, second accounts.Store) {
		t.Helper()
		return openAccounts(t, sqliteFile(t))
	})
}

func TestAccountsOnPostgres(t *testing.T) {
	t.Parallel()
	accountstest.TestStore(t, func(t *testing.T) (first, second accounts.Store) {
		t.Helper()
		return openAccounts(t, postgresSchema(t))
	})
}

func TestAccountsNeedTheirTables(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		_, err := accountssql.New(d.open(t), d.dialect, &accountssql.Options{Schema: d.schema})
		require.ErrorIs(t, err, accountssql.ErrOutdated)
		openAccounts(t, d)
	})
}

// openAccountServices opens two services with stores of their own, as two processes have, whose first admin is "one" and second "two".
func openAccountServices(t *testing.T, d database) (first, second *accounts.Service) {
	t.Helper()
	a, b := openAccounts(t, d)
	ring := newRing(t)
	services := make([]*accounts.Service, 2)
	for i, store := range []accounts.Store{a, b} {
		var err error
		services[i], err = accounts.New(store, ring, &accounts.Options{Owner: "north", TenantID: northTenant, BaseURL: "https://north.example/accounts"})
		require.NoError(t, err)
	}
	for i, id := range []string{"one", "two"} {
		_, err := services[i].Add(t.Context(), accounts.ByHost, accounts.Account{ID: id, Name: "Canary name of " + id, Role: entra.RoleAdmin})
		require.NoError(t, err)
		_, err = services[i].Link(t.Context(), id, freshAnswer(i))
		require.NoError(t, err)
	}
	return services[0], services[1]
}

const northTenant = "11111111-1111-4111-8111-111111111111"

// freshAnswer is a sign-in of the n-th person.
func freshAnswer(n int) entra.Answer {
	return entra.Answer{Identity: entra.Identity{TenantID: northTenant, ObjectID: fmt.Sprintf("22222222-2222-4222-8222-%012d", n)}, Fresh: true}
}

// TestTwoAdminsWhoTakeEachOthersRightsAway sees that one stays, in every way and on every database.
func TestTwoAdminsWhoTakeEachOthersRightsAway(t *testing.T) {
	t.Parallel()
	ways := map[string]func(ctx context.Context, s *accounts.Service, by, whom string) error{
		"demote": func(ctx context.Context, s *accounts.Service, by, whom string) error {
			return s.SetRole(ctx, by, whom, entra.RoleTechnician)
		},
		"limit": func(ctx context.Context, s *accounts.Service, by, whom string) error {
			return s.SetUI(ctx, by, whom, entra.UIPod)
		},
		"disable": func(ctx context.Context, s *accounts.Service, by, whom string) error { return s.Disable(ctx, by, whom) },
		"unlink":  func(ctx context.Context, s *accounts.Service, by, whom string) error { return s.Unlink(ctx, by, whom) },
		"remove":  func(ctx context.Context, s *accounts.Service, by, whom string) error { return s.Remove(ctx, by, whom) },
	}
	eachDatabase(t, func(t *testing.T, d database) {
		first, second := openAccountServices(t, d)
		for name, f := range ways {
			errs := make([]error, 2)
			var all sync.WaitGroup
			for i, s := range []*accounts.Service{first, second} {
				all.Go(func() { errs[i] = f(t.Context(), s, []string{"one", "two"}[i], []string{"two", "one"}[i]) })
			}
			all.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
					continue
				}
				// Who is late is the last admin's rival no more, or has lost the right before they asked.
				require.True(t, errors.Is(err, accounts.ErrLastAdmin) || errors.Is(err, entra.ErrForbidden) || errors.Is(err, accounts.ErrNotFound), "%s: %v", name, err)
			}
			list, err := first.List(t.Context())
			require.NoError(t, err)
			left := 0
			for _, a := range list {
				if a.LinkedAdmin() {
					left++
				}
			}
			require.Equal(t, 1, won, name)
			require.Equal(t, 1, left, name)
			repair(t, first)
		}
	})
}

// repair makes both admins again.
func repair(t *testing.T, s *accounts.Service) {
	t.Helper()
	for i, id := range []string{"one", "two"} {
		_, err := s.Add(t.Context(), accounts.ByHost, accounts.Account{ID: id, Role: entra.RoleAdmin})
		require.True(t, err == nil || errors.Is(err, accounts.ErrExists), err)
		require.NoError(t, s.Enable(t.Context(), accounts.ByHost, id))
		require.NoError(t, s.SetRole(t.Context(), accounts.ByHost, id, entra.RoleAdmin))
		require.NoError(t, s.SetUI(t.Context(), accounts.ByHost, id, entra.UIFull))
		_, err = s.Link(t.Context(), id, freshAnswer(i))
		require.NoError(t, err)
	}
}

// TestOf64WhoAcceptOnTwoInstancesOneIsLetIn, and the database holds nothing by which another one could be.
func TestOf64WhoAcceptOnTwoInstancesOneIsLetIn(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		first, second := openAccountServices(t, d)
		_, redacted, err := first.Invite(t.Context(), "one", accounts.Invite{Name: "Canary guest", Address: "canary@north.example"})
		require.NoError(t, err)
		link := redacted.Reveal()
		text := link[strings.LastIndex(link, "/")+1:]
		prefix := ""
		if d.schema != "" {
			prefix = d.schema + "."
		}
		everything := dumpTable(t, d.open(t), prefix+"mspkit_accounts_accounts") + dumpTable(t, d.open(t), prefix+"mspkit_accounts_invitations")
		require.Contains(t, everything, "Canary name of one", "the dump misses what is there")
		raw, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		for _, secret := range []string{text, string(raw[:32]), "Canary guest", "canary@north.example"} {
			for _, s := range []string{secret, fmt.Sprintf("%x", secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
				require.NotContains(t, everything, s)
			}
		}
		errs := make([]error, 64)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() {
				_, errs[i] = []*accounts.Service{first, second}[i%2].Accept(t.Context(), text, freshAnswer(100+i), "")
			})
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				require.ErrorIs(t, err, accounts.ErrState)
			}
		}
		require.Equal(t, 1, won)
		list, err := second.List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 3)
	})
}
