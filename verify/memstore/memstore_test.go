package memstore_test

import (
	"fmt"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	verifytest.TestStore(t, func(*testing.T) func() verify.Store {
		s := memstore.New()
		return func() verify.Store { return s }
	})
}

func TestFactorStore(t *testing.T) {
	t.Parallel()
	verifytest.TestFactorStore(t, func(*testing.T) func() verify.FactorStore {
		s := memstore.New()
		return func() verify.FactorStore { return s }
	})
}

func Example() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(settings), nil)
	fmt.Println(svc.BaseURL(), err)
	// Output: https://help.example/verify <nil>
}
