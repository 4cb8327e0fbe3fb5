package securesendpage

import (
	"net/http"
	"time"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

// open tells who has the whole link what is behind it.
func (p *Pages) open(w http.ResponseWriter, r *http.Request, k kind) {
	var in struct {
		Auth wire.Bytes `json:"auth"`
	}
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Auth) {
		return
	}
	o, err := p.svc.Open(r.Context(), ref, in.Auth)
	if err != nil {
		p.refuseFor(w, r, ref, k, err)
		return
	}
	p.write(w, r, http.StatusOK, wire.Opened{
		Kind: string(securesend.KindSend), State: string(o.State), Now: p.now(), Context: o.Context[:], Header: o.Header, Gate: string(o.Gate),
		TriesLeft: o.TriesLeft, CodeSent: o.CodeSent, Passphrase: o.Passphrase, PassphraseTriesLeft: o.PassTriesLeft, Locked: o.Locked,
		Sizes: sizes(o.Sizes), ExpiresAt: o.ExpiresAt, OpenedBefore: optional(o.OpenedBefore), EndedAt: optional(o.EndedAt), ViewsLeft: o.ViewsLeft,
	})
}

func (p *Pages) now() time.Time { return p.o.Now().UTC().Truncate(time.Millisecond) }

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// sizes is never null in JSON.
func sizes(s []int64) []int64 {
	if s == nil {
		return []int64{}
	}
	return s
}

// sendCode sends the code over the other channel.
func (p *Pages) sendCode(w http.ResponseWriter, r *http.Request, k kind) {
	var in struct {
		Auth wire.Bytes `json:"auth"`
	}
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Auth) {
		return
	}
	if err := p.svc.SendCode(r.Context(), ref, in.Auth); err != nil {
		p.refuseFor(w, r, ref, k, err)
		return
	}
	p.write(w, r, http.StatusAccepted, wire.Empty{})
}

// verify begins what the gate asks for, or says how far it is.
func (p *Pages) verify(w http.ResponseWriter, r *http.Request, k kind) {
	var in wire.Recipient
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Auth, in.Claim) {
		return
	}
	s, err := p.svc.StartGate(r.Context(), ref, in.Auth, in.Claim)
	if err != nil {
		p.refuseFor(w, r, ref, k, err)
		return
	}
	p.write(w, r, http.StatusOK, wire.Gate{State: s.State, Hint: s.Hint})
}

// take hands the send to the claim.
func (p *Pages) take(w http.ResponseWriter, r *http.Request, k kind) {
	var in wire.Take
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Auth, in.Claim) {
		return
	}
	if len(in.Pass) > 0 && !p.keys(w, r, in.Pass) {
		return
	}
	number := in.Number
	if number == "" {
		number = in.Code
	}
	t, err := p.svc.Take(r.Context(), ref, securesend.TakeRequest{Auth: in.Auth, Claim: in.Claim, Number: number, PassAuth: in.Pass})
	if err != nil {
		p.refuseFor(w, r, ref, k, err)
		return
	}
	p.write(w, r, http.StatusOK, wire.Taken{
		Half: t.Half.Reveal(), Context: t.Context[:], Header: t.Header, Manifest: t.Manifest, Sizes: sizes(t.Sizes), Now: p.now(),
		LeaseUntil: t.LeaseUntil, ExpiresAt: t.ExpiresAt, Message: t.Message, ViewsLeft: t.ViewsLeft,
	})
}

// ack takes the word of the recipient's program that everything arrived.
func (p *Pages) ack(w http.ResponseWriter, r *http.Request, k kind) {
	var in wire.Recipient
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Auth, in.Claim) {
		return
	}
	if err := p.svc.Ack(r.Context(), ref, in.Auth, in.Claim); err != nil {
		p.refuseFor(w, r, ref, k, err)
		return
	}
	p.write(w, r, http.StatusOK, wire.Empty{})
}
