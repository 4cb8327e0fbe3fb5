package verify

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMaskShowsTooLittleToUse(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"dana@contoso.example": "d•••@c•••.example", "ä@münchen.de": "ä•••@m•••.de", "a@b": "a•••@b•••", "@": "•••@•••",
		"+12025550143": "••• 43", "12345": "•••", "": "•••", "+1202555014ß": "••• 4ß",
		"5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6/d4a0d4a0-0000-4000-8000-00000000d4a0": "•••",
	} {
		require.Equal(t, want, mask(address), address)
	}
}

func TestWordsAreDistinctAndTypeable(t *testing.T) {
	t.Parallel()
	for locale, list := range words {
		require.Len(t, list, 64, locale)
		seen := map[string]bool{}
		for _, w := range list {
			require.False(t, seen[w], "%s twice in %s", w, locale)
			seen[w] = true
			normal, err := normalizeWord(" " + strings.ToUpper(w) + "!")
			require.NoError(t, err)
			require.Equal(t, w, normal)
		}
	}
	require.NotEqual(t, newWord("de-AT"), newWord("fr"))
}

func FuzzNormalizeDigits(f *testing.F) {
	for _, s := range []string{"123 456", "１２３", "12a", "", "٣٤٥", "𝟏-𝟐"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := normalizeDigits(s)
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			require.Empty(t, got)
			return
		}
		require.NotEmpty(t, got)
		require.Empty(t, strings.Trim(got, "0123456789"))
		again, err := normalizeDigits(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func FuzzNormalizeWord(f *testing.F) {
	for _, s := range []string{"Anchor  Apple", "löwe,KRONE", "1", "", "İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := normalizeWord(s)
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			return
		}
		require.NotEmpty(t, got)
		again, err := normalizeWord(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
