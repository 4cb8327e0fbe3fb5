package graphteams

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
)

// version is one of an app: N.N.N.
type version [3]uint64

func parseVersion(s string) (version, error) {
	var v version
	parts := strings.Split(s, ".")
	bad := len(parts) != len(v) || len(s) > 60
	for i := 0; !bad && i < len(v); i++ {
		n, err := strconv.ParseUint(parts[i], 10, 64)
		v[i], bad = n, err != nil || strconv.FormatUint(n, 10) != parts[i]
	}
	if bad {
		return version{}, fmt.Errorf("graphteams: a version must have the form 1.2.3: %w", mspkit.ErrInvalid)
	}
	return v, nil
}

func (v version) compare(w version) int {
	return cmp.Or(cmp.Compare(v[0], w[0]), cmp.Compare(v[1], w[1]), cmp.Compare(v[2], w[2]))
}
