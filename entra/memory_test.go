package entra_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	entratest.TestConnections(t, func(*testing.T) (first, second entra.ConnectionStore) {
		m := entra.NewMemory()
		return m, m
	})
	entratest.TestTokens(t, func(*testing.T) (first, second entra.TokenStore) {
		m := entra.NewMemory()
		return m, m
	})
	entratest.TestRevocations(t, func(*testing.T) (first, second entra.Revocations) {
		m := entra.NewMemory()
		return m, m
	})
}

func TestMemoryLooksAtTheContext(t *testing.T) {
	t.Parallel()
	m := entra.NewMemory()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Connections(ctx, "")
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = m.Token(ctx, "x")
	require.ErrorIs(t, err, context.Canceled)
}
