package changefeed_test

import (
	"testing"

	"go.uber.org/goleak"
)

// cutOff is where net/http's server stays for half a second after it has cut off a request's body.
var cutOff = goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, cutOff) }
