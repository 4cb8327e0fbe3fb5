package azurecred_test

import (
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
)

// One app registration reaches every customer who is connected.
func Example() {
	store := entra.NewMemory() // entra/sqlstore in a real program
	app, err := azurecred.NewApp(azurecred.ConnectedBy(store, "north", "contacts", nil), &azurecred.Options{
		ClientID: "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d",
		Secret:   mspkit.Redact("from the host's secret store"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(app) // and not its secret
	// Output: azurecred.App(0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d)
}
