package cleantext_test

import (
	"testing"
	"unicode"

	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/stretchr/testify/require"
)

func TestDigitsOfEveryScriptHaveTheirValue(t *testing.T) {
	t.Parallel()
	var count [10]int
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.Is(unicode.Nd, r) {
			continue
		}
		v := cleantext.Digit(r)
		require.True(t, v >= 0 && v <= 9, "%U", r)
		count[v]++
	}
	for v, n := range count {
		require.Equal(t, count[0], n, "as many characters mean %d as mean 0", v)
	}
	for v, s := range []string{"0٠०０𝟎𝟘𝟶🯰", "1١१１𝟏𝟙𝟷🯱", "2٢२２𝟐𝟚𝟸🯲"} {
		for _, r := range s {
			require.Equal(t, rune(v), cleantext.Digit(r), "%U", r)
		}
	}
}

func TestDigitsAreCountedInEveryScript(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"": 0, "12 3": 3, "１２3x": 3, "½²Ⅳ": 0, "\xff1": 1} {
		require.Equal(t, want, cleantext.Digits(s), s)
	}
}

func TestTypedDigitsAreReadInEveryScript(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "12 - 3\u00a0": "123", "\u0661\u0662\u0663": "123", "1\u200b2\u20133": "123"} {
		got, _, ok := cleantext.Typed(in)
		require.True(t, ok, "%q", in)
		require.Equal(t, want, got, "%q", in)
	}
	for in, want := range map[string]rune{"12a": 'a', "1\x002": 0, "1.2": '.', "\xff": '\ufffd'} {
		got, other, ok := cleantext.Typed(in)
		require.False(t, ok, "%q", in)
		require.Empty(t, got)
		require.Equal(t, want, other, "%q", in)
	}
}
