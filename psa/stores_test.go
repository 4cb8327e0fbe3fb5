package psa_test

import (
	"testing"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/psatest"
)

func TestMemoryKeepsMappings(t *testing.T) {
	t.Parallel()
	psatest.TestMappings(t, func(*testing.T) psa.MappingStore { return psa.NewMemory() })
}

func TestMemoryKeepsDefaults(t *testing.T) {
	t.Parallel()
	psatest.TestDefaults(t, func(*testing.T) psa.DefaultsStore { return psa.NewMemory() })
}
