package verify

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// Screener is implemented by a channel that can find out what an address is worth today, such as whether the SIM card of
// a phone number was changed lately. It is asked before a challenge is stored for the address, within
// [Options.DeliverTimeout], and by [Service.Explain]; not for a renewal, which follows within minutes. The address is
// canonical, and a repeated request asks again. An error means that nothing is known, and the address is not used.
type Screener interface {
	Screen(ctx context.Context, address string) (Screening, error)
}

// Screening is what speaks against an address: the end of a sentence that begins with it, such as "is a landline", and
// never the address itself. The zero value is nothing.
type Screening struct {
	// Refuse says why nothing is sent to it.
	Refuse string
	// Doubt says why it is worth little: it then counts like an address that is new; see [Freshness].
	Doubt string
}

// screening returns a function that judges a pick by what its channel finds out: a [Checker] whether the person is
// enrolled, a [Screener] what an address is worth, which is asked once for each address. Others are not asked.
func (s *Service) screening(ctx context.Context, set Settings, rule Rule, tenant mspkit.TenantID, subject string) func(pick) verdict {
	type found struct {
		Screening
		err error
	}
	known := map[[2]string]found{}
	return func(p pick) verdict {
		if c, ok := p.channel.(Checker); ok {
			return s.enrolled(ctx, c, p, tenant, subject, set.Freshness, rule)
		}
		screener, ok := p.channel.(Screener)
		if !ok {
			return verdict{pick: p}
		}
		key := [2]string{p.way.Channel, p.address}
		f, asked := known[key]
		if !asked {
			sctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
			f.Screening, f.err = screener.Screen(sctx, p.address)
			cancel()
			known[key] = f
		}
		switch {
		case f.err != nil:
			return p.refused(insufficient, "the %s could not be checked", p.way.noun())
		case f.Refuse != "":
			return p.refused(insufficient, "the %s %s", p.way.noun(), cleantext.Line(f.Refuse, 200))
		case f.Doubt != "":
			p = p.doubted(cleantext.Line(f.Doubt, 200))
		}
		if lack := p.lacks(set.Freshness, rule); lack != "" {
			return p.refused(insufficient, "%s", lack)
		}
		return verdict{pick: p}
	}
}

// picker hands out the ways one by one, as they stand after screening: a number is looked up when a message is about to
// go there and not before.
type picker struct {
	ways    []verdict
	screen  func(pick) verdict
	refused []verdict
}

// next returns the next way that may be used, and why those that were screened out before it may not. That somebody has no
// app is no reason that anybody needs to read.
func (p *picker) next(ctx context.Context) (_ pick, skipped string, ok bool) {
	for len(p.ways) > 0 && ctx.Err() == nil {
		v := p.ways[0]
		p.ways = p.ways[1:]
		if v.kind == allowed {
			if v = p.screen(v.pick); v.kind == allowed {
				return v.pick, skipped, true
			}
			if v.kind != unenrolled {
				skipped = joined(skipped, v.way.Channel+": "+v.reason)
			}
		}
		p.refused = append(p.refused, v)
	}
	return pick{}, skipped, false
}

// none returns the error where no way may be used, which is what Explain says.
func (p *picker) none(ctx context.Context, action Action, rule Rule, channel string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("check the address: %w", err)
	}
	_, err := refusalOf(action, rule, channel, p.refused)
	return err
}
