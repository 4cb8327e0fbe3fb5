package psacontacts

import (
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cursor"
)

const (
	owner   = "psacontacts"
	version = 1
	// ahead is how far in the future the times of a cursor may be.
	ahead = time.Hour
)

// state is what a cursor says. Times are milliseconds since 1970.
type state struct {
	Version   int    `json:"v"`
	Companies string `json:"m"`           // which companies the tenant had
	Company   string `json:"c,omitempty"` // the one that is being listed; empty where a later run begins
	PSA       []byte `json:"p,omitempty"` // the lister's cursor, which need not be text
	Whole     bool   `json:"w,omitempty"`
	Since     int64  `json:"s,omitempty"` // the last change that earlier runs saw
	Begun     int64  `json:"b,omitempty"` // when this run began
	Seen      int64  `json:"n,omitempty"` // the last change that this run saw, not after Begun
	Full      int64  `json:"f,omitempty"` // when the last whole run began
}

// state reads the cursor of a query, or begins a run.
func (s *Source) state(q contacts.Query, cs companies) (state, error) {
	now := s.o.Now().UnixMilli()
	whole := state{Version: version, Companies: cs.sum, Company: cs.ids[0], Whole: true, Begun: now, Full: now}
	if q.Cursor == "" {
		return whole, nil
	}
	st, ok := s.read(q.Tenant, q.Cursor)
	if !ok || !st.sound(now) {
		return state{}, fmt.Errorf("psacontacts: the cursor is foreign, damaged or out of date: %w", contacts.ErrCursor)
	}
	if st.Company != "" { // within a run
		switch {
		case st.Companies != cs.sum:
			return state{}, errMappings()
		case !cs.has(st.Company):
			return state{}, fmt.Errorf("psacontacts: the cursor is of a company that is not the tenant's: %w", contacts.ErrCursor)
		}
		return st, nil
	}
	overdue := s.o.WholeEvery > 0 && now-st.Full >= s.o.WholeEvery.Milliseconds()
	if st.Companies != cs.sum || overdue || !s.tellsChanges() {
		return whole, nil
	}
	st.Company, st.Begun, st.Seen = cs.ids[0], now, st.Since
	return st, nil
}

// sound refuses what no cursor of ours says: whoever stores cursors may have been fooled.
func (st state) sound(now int64) bool {
	latest := now + ahead.Milliseconds()
	for _, t := range []int64{st.Since, st.Begun, st.Seen, st.Full} {
		if t < 0 || t > latest {
			return false
		}
	}
	if st.Company == "" {
		return len(st.PSA) == 0 && !st.Whole && st.Since > 0 && st.Begun == 0 && st.Seen == 0
	}
	return st.Begun > 0 && st.Whole == (st.Since == 0)
}

// write returns st as a cursor that is of use for this tenant and system only.
func (s *Source) write(tenant mspkit.TenantID, st state) (contacts.Cursor, error) {
	out, err := cursor.Encode(st, owner, s.system, string(tenant))
	if err != nil {
		return "", fmt.Errorf("psacontacts: write a cursor: %w", err)
	}
	if len(out) > contacts.MaxCursor {
		return "", fmt.Errorf("psacontacts: %w: a cursor of %s has %d bytes, which is too long", contacts.ErrSource, s.system, len(st.PSA))
	}
	return contacts.Cursor(out), nil
}

func (s *Source) read(tenant mspkit.TenantID, c contacts.Cursor) (st state, ok bool) {
	ok = cursor.Decode(string(c), &st, owner, s.system, string(tenant))
	return st, ok && st.Version == version
}
