package langtag_test

import (
	"slices"
	"testing"

	"github.com/mspkit/mspkit/internal/langtag"
	"github.com/stretchr/testify/require"
)

func TestFallbacks(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string][]string{
		"": nil, "de": {"de"}, "de-AT": {"de-AT", "de"}, "zh-Hant-TW": {"zh-Hant-TW", "zh-Hant", "zh"}, "-": {"-"}, "de-": {"de-", "de"},
	} {
		require.Equal(t, want, slices.Collect(langtag.Fallbacks(tag)), tag)
	}
	for range langtag.Fallbacks("a-b-c") {
		break // and nothing is yielded after it
	}
}

func TestNormal(t *testing.T) {
	t.Parallel()
	require.Equal(t, "de-at", langtag.Normal("de_AT"))
}
