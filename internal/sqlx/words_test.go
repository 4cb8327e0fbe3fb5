package sqlx_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/sqlx"
)

func TestWordsCanBeStored(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "Grüße": "Grüße", "a\x00b": "a\ufffdb", "a\xff\xfeb": "a\ufffdb", "\xff\x00": "\ufffd\ufffd", "\ufffd": "\ufffd",
	} {
		require.Equal(t, want, sqlx.Words(in), "%q", in)
	}
}
