package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
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
		args = append(args, seq(e.Seq), e.ID, redisx.Number(e.Link.N), string(e.Link.Value))
	}
	_, err := s.doAlone(ctx, "chain", s.db.In(tenant, chainScript, string(tenant), redisx.Number(head), rand.Text(), redisx.Pack(args...)))
	return err
}

// Evidence implements [verify.Store]. It reads in steps; the chain may grow meanwhile. Where it loses events that the next
// step would have read, it reads everything again: a gap between two steps would look as if somebody had removed them.
func (s *Store) Evidence(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) (verify.Evidence, error) {
	var out verify.Evidence
	after = min(max(after, 0), maxSeq)
	for at := after; ; {
		n := min(max(limit-len(out.Events), 0), scan)
		a, err := s.doAlone(ctx, "evidence", s.db.In(tenant, evidenceScript, string(tenant), seq(at), n))
		if err != nil {
			return verify.Evidence{}, err
		}
		base, head, events, err := decodeEvidence(a)
		if err != nil {
			return verify.Evidence{}, wrap("evidence", err)
		}
		if len(out.Events) == 0 {
			out.Base = base
		} else if base.N > at {
			out, at = verify.Evidence{}, after
			continue
		}
		out.Head, out.Events = head, append(out.Events, events...)
		if len(events) == 0 || len(out.Events) >= limit { // a step may have fewer than asked for: what a crash left over is no event
			return out, nil
		}
		at = events[len(events)-1].Link.N
	}
}

func decodeEvidence(a redisx.Answer) (base, head verify.Link, events []verify.Event, err error) {
	if len(a) < 5 {
		return base, head, nil, redisx.ErrPacked
	}
	var d redisx.Reader
	base = verify.Link{N: d.Number(a[1]), Value: redisx.Bytes(a[2])}
	head = verify.Link{N: d.Number(a[3]), Value: redisx.Bytes(a[4])}
	if events, err = decodeEvents(a[5:]); err == nil {
		err = d.Err
	}
	return base, head, events, err
}
