package accounts_test

import (
	"testing"

	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
)

func TestEveryRouteIsSafe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	webpagetest.Run(t, w.handler, "/accounts", false, w.service.Routes(w.sso))
}
