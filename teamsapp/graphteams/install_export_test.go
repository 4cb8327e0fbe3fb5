package graphteams

import "github.com/mspkit/mspkit/internal/cursor"

// ForgeCheckpoint makes a checkpoint of a run over users that says what body says.
func ForgeCheckpoint(r ManyRequest, body []byte) Checkpoint {
	return Checkpoint(cursor.Sign(body, runInstall.owner(&r)...))
}

// ReadCheckpoint reads one as a run does.
func ReadCheckpoint(r ManyRequest) (at int, query string, c Counts, err error) {
	st, err := decodeRun(&r, runInstall.owner(&r))
	return st.At, st.Query, st.Counts, err
}
