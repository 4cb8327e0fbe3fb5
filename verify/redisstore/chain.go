package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// maxChain is how many events one script can add.
const maxChain = 2000

// Chain implements [verify.Store]. It fails with more than 2000 events.
func (s *Store) Chain(ctx context.Context, tenant mspkit.TenantID, head int64, events []verify.Event) error {
	if len(events) == 0 {
		return nil
	}
	if len(events) > maxChain {
		return wrap("chain", fmt.Errorf("%d events cannot be added at once, %d can", len(events), maxChain))
	}
	args := make([]string, 0, 4*len(events))
	for _, e := range events {
		args = append(args, seq(e.Seq), e.ID, number(e.Link.N), string(e.Link.Value))
	}
	_, err := s.do(ctx, "chain", s.in(tenant, chainScript, string(tenant), number(head), rand.Text(), pack(args...)))
	return err
}

// Evidence implements [verify.Store]. It reads in steps; the chain may grow meanwhile.
func (s *Store) Evidence(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) (verify.Evidence, error) {
	var out verify.Evidence
	for first := true; first || len(out.Events) < limit; first = false {
		n := min(max(limit-len(out.Events), 0), scan)
		a, err := s.do(ctx, "evidence", s.in(tenant, evidenceScript, string(tenant), seq(after), n))
		if err != nil {
			return verify.Evidence{}, err
		}
		if len(a) < 5 {
			return verify.Evidence{}, wrap("evidence", errPacked)
		}
		var d reader
		if first {
			out.Base = verify.Link{N: d.number(a[1]), Value: bytes(a[2])}
		}
		out.Head = verify.Link{N: d.number(a[3]), Value: bytes(a[4])}
		events, err := decodeEvents(a[5:])
		if err == nil {
			err = d.err
		}
		if err != nil {
			return verify.Evidence{}, wrap("evidence", err)
		}
		out.Events = append(out.Events, events...)
		if len(events) == 0 {
			break
		}
		after = events[len(events)-1].Link.N
	}
	return out, nil
}
