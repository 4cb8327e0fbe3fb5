package securesendpage

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

// begin tells a technician's browser or program what it needs to fill a send.
func (p *Pages) begin(w http.ResponseWriter, r *http.Request, k kind) {
	var in struct {
		Upload wire.Bytes `json:"upload"`
	}
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Upload) {
		return
	}
	tok := r.PathValue("token")
	u, err := p.svc.BeginUpload(r.Context(), tok, in.Upload)
	if err != nil || u.Kind != k.kind {
		p.refuseFor(w, r, ref, k, err)
		return
	}
	letter := securesend.LinkSend
	if u.Held {
		letter = securesend.LinkHeld
	}
	out := begun(u)
	out.Link = p.svc.BaseURL() + "/" + string(rune(letter)) + "/" + tok
	p.write(w, r, http.StatusOK, out)
}

func begun(u securesend.Upload) wire.Begun {
	return wire.Begun{
		Kind: string(u.Kind), State: string(u.State), Context: u.Context[:], Held: u.Held, Key: u.Key,
		Limits: wire.Limits{Text: u.MaxText, Total: u.MaxSize, Files: u.MaxFiles},
	}
}

// asked tells the holder of a request's link what is asked for. It changes nothing.
func (p *Pages) asked(w http.ResponseWriter, r *http.Request, k kind) {
	var in wire.Empty
	ref, ok := p.read(w, r, &in)
	if !ok {
		return
	}
	v, err := p.svc.View(r.Context(), ref)
	var a securesend.Asked
	if err == nil && k.fits(v) {
		a, err = p.svc.Asked(r.Context(), ref)
	} else if err == nil {
		err = securesend.ErrNotFound
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, wire.Asked{
		Kind: string(a.Kind), State: string(a.State), Now: p.now(), Context: a.Context[:], Key: a.Key, Gate: string(a.Gate),
		TriesLeft: a.TriesLeft, Locked: a.Locked, Taken: a.Taken, Limits: begun(a.Upload).Limits, ExpiresAt: v.ExpiresAt,
	})
}

// admit lets somebody answer a request.
func (p *Pages) admit(w http.ResponseWriter, r *http.Request, k kind) {
	var in wire.Upload
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Upload) {
		return
	}
	u, err := p.svc.Admit(r.Context(), ref, in.Upload, in.Number)
	if err != nil {
		p.refuseFor(w, r, ref, k, err)
		return
	}
	p.write(w, r, http.StatusOK, begun(u))
}

// part stores one sealed part of a file, as it comes.
func (p *Pages) part(w http.ResponseWriter, r *http.Request, k kind) {
	if !p.typed(w, r, wire.Octet) {
		return
	}
	upload, err := wire.ParseBytes(r.Header.Get(wire.UploadHeader))
	if err != nil || !p.keys(w, r, upload) {
		if err != nil {
			p.refuse(w, r, securesend.ErrInvalid)
		}
		return
	}
	file, ok := number(r.PathValue("file"))
	n, ok2 := number(r.PathValue("n"))
	if !ok || !ok2 {
		p.refuse(w, r, securesend.ErrInvalid)
		return
	}
	ref, err := p.ref(r)
	if err == nil {
		err = p.check(r, ref, k)
	}
	if err == nil {
		body := &patient{body: r.Body, rc: http.NewResponseController(w)}
		err = p.svc.PutPart(r.Context(), ref, upload, file, n, body)
		if body.err != nil {
			err = bodyError(body.err)
		}
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, wire.Empty{})
}

// number reads a number in a path: digits, without zeros in front.
func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && strconv.Itoa(n) == s
}

// patient reads a body as long as it comes, and fails where it stands still.
type patient struct {
	body io.Reader
	rc   *http.ResponseController
	err  error
}

func (b *patient) Read(buf []byte) (int, error) {
	_ = b.rc.SetReadDeadline(deadline()) // not every connection can, and then the host's deadlines hold
	n, err := b.body.Read(buf)
	switch err {
	case nil:
	case io.EOF:
		// Storing it may take longer, and the server goes on reading meanwhile. The answer is short, and the host's
		// time for it may be over.
		_ = b.rc.SetReadDeadline(time.Time{})
		_ = b.rc.SetWriteDeadline(time.Time{})
	default:
		b.err = err
	}
	return n, err
}

// parts tells which parts have arrived.
func (p *Pages) parts(w http.ResponseWriter, r *http.Request, k kind) {
	var in struct {
		Upload wire.Bytes `json:"upload"`
	}
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Upload) {
		return
	}
	err := p.check(r, ref, k)
	var parts []securesend.PartInfo
	if err == nil {
		parts, err = p.svc.Parts(r.Context(), ref, in.Upload)
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	out := wire.Parts{Files: [][]int{}}
	for _, part := range parts {
		for len(out.Files) <= part.File {
			out.Files = append(out.Files, []int{})
		}
		out.Files[part.File] = append(out.Files[part.File], part.N)
	}
	p.write(w, r, http.StatusOK, out)
}

// commit makes what was uploaded ready.
func (p *Pages) commit(w http.ResponseWriter, r *http.Request, k kind) {
	var in wire.Commit
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Upload) {
		return
	}
	err := p.check(r, ref, k)
	var sent securesend.Sent
	if err == nil {
		sent, err = p.svc.Commit(r.Context(), ref, in.Upload, securesend.CommitRequest{
			Header: in.Header, Manifest: in.Manifest, Sizes: in.Sizes, AuthHash: in.Auth, Half: in.Half, PassAuth: in.Pass,
		})
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, wire.Committed{
		ExpiresAt: sent.ExpiresAt, Gate: string(sent.Gate), Number: sent.Number.Reveal(), Warning: sent.Warning,
	})
}
