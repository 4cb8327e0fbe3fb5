package accounts_test

import (
	"testing"

	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/entra/accounts/accountstest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	accountstest.TestStore(t, func(*testing.T) (first, second accounts.Store) {
		m := accounts.NewMemory()
		return m, m
	})
}
