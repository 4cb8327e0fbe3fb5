package securesendtest_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

// Each part of the suite gets a storage of its own and opens several instances on it.
func ExampleTestStore() {
	_ = func(t *testing.T) { // TestMyStore
		securesendtest.TestStore(t, func(*testing.T) func() securesend.SecretStore {
			storage := memstore.New()
			return func() securesend.SecretStore { return storage }
		})
	}
}

// A secret is found in what encodes it, too.
func ExampleContains() {
	secret := []byte("a half that nobody may find")
	row := base64.StdEncoding.EncodeToString([]byte(`{"half":"a half that nobody may find"}`))
	fmt.Println(securesendtest.Contains([]byte(row), secret), securesendtest.Contains([]byte("a half of it"), secret))
	// Output: true false
}
