package dirblob_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend/dirblob"
)

// TestNotWritable uses a folder in which nobody, not even root, can create a file.
func TestNotWritable(t *testing.T) {
	t.Parallel()
	_, err := dirblob.New("/proc/self", nil)
	require.ErrorContains(t, err, "/proc/self cannot be written to")
}
