package aadsts

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The advice goes into errors, logs and pages as it is.
func TestEveryMeaningSaysWhatToDo(t *testing.T) {
	t.Parallel()
	plain := regexp.MustCompile(`^[[:print:]]{20,160}[^.]$`)
	all := make(map[any]Meaning, len(numbers)+len(words))
	for n, m := range numbers {
		all[n] = m
		got, ok := Of(n)
		require.True(t, ok)
		require.Equal(t, m, got)
	}
	for w, m := range words {
		all[w] = m
		got, ok := OfOAuth(w)
		require.True(t, ok)
		require.Equal(t, m, got)
	}
	for what, m := range all {
		require.NotEqual(t, Unknown, m.Kind, what)
		require.Regexp(t, plain, m.Advice, what)
		if m.Kind == Throttled || m.Kind == Unavailable {
			require.True(t, m.Temporary, what)
		}
		if m.Kind == Consent || m.Kind == SignIn || m.Kind == Gone {
			require.False(t, m.Temporary, what)
		}
	}
	_, ok := Of(1)
	require.False(t, ok)
	_, ok = OfOAuth("")
	require.False(t, ok)
}

// A guest who is refused in one customer's tenant has not lost their sign-in, and signing in again would not help.
func TestWhatConcernsOneTenantIsNoEndOfTheSignIn(t *testing.T) {
	t.Parallel()
	for number, kind := range map[int]Kind{
		50020: Denied, 50177: Denied, 50034: Denied, 90072: Denied, 50105: Denied, 50076: Person, 50057: Person, 53003: Policy,
		700084: SignIn, 50132: SignIn, 50173: SignIn,
	} {
		m, _ := Of(number)
		require.Equal(t, kind, m.Kind, number)
	}
}
