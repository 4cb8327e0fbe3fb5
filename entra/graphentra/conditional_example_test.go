package graphentra_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mspkit/mspkit/entra/graphentra"
)

// A policy is enforced by a call of its own, for an administrator who has seen what it would have blocked and has said so.
func ExampleClient_Enforce() {
	enforce := func(ctx context.Context, c *graphentra.Client, d graphentra.Desired, agreed func() bool) error {
		impact, err := c.Impact(ctx, "contoso", d, nil)
		if err != nil {
			return err
		}
		if err := impact.Print(os.Stdout); err != nil || !agreed() {
			return err
		}
		_, err = c.Enforce(ctx, "contoso", d, impact.Token, nil)
		if errors.Is(err, graphentra.ErrLockout) {
			fmt.Println(graphentra.Explain(err))
		}
		return err
	}
	_ = enforce
	// Output:
}
