package securesend

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"slices"

	"github.com/mspkit/mspkit"
)

// DefaultRequestTemplate is the message with the link of a request.
const DefaultRequestTemplate = "${brand}: ${technician} asks you to send something securely: ${link}"

// Ask makes a request: the caller opens the link of the result and gives a text or files, which their browser seals for the
// request's key. Of r, Text, Files, Passphrase, Held and Code must be empty; question is shown to the caller, at most 500
// characters. Deliver may send the link: it holds no secret.
func (s *Service) Ask(ctx context.Context, r SendRequest, question string) (Sent, error) {
	out, err := s.ask(ctx, r, question)
	return out, wrap("ask", err)
}

func (s *Service) ask(ctx context.Context, r SendRequest, question string) (Sent, error) {
	now := s.now()
	switch {
	case r.Text.Reveal() != "" || len(r.Files) > 0 || r.Passphrase.Reveal() != "" || r.Choice.Held || r.Code != (Destination{}):
		return Sent{}, fmt.Errorf("the fields Text, Files, Passphrase, Held and Code have no meaning in a request: %w", ErrInvalid)
	case len([]rune(question)) > 500:
		return Sent{}, fmt.Errorf("the question has more than 500 characters: %w", ErrInvalid)
	case r.Choice.DataToNote:
		return Sent{}, fmt.Errorf("data to internal note: what a browser seals cannot be read here: %w", ErrUnsupported)
	case r.Choice.Gate != "" && r.Choice.Gate != GateNumber && r.Choice.Gate != GateNone:
		return Sent{}, fmt.Errorf("the gate of a request is number or none, not %q: %w", r.Choice.Gate, ErrUnsupported)
	case r.Choice.Views > 1 || r.Choice.AfterView != 0:
		return Sent{}, fmt.Errorf("a request is answered and read once, without Views or AfterView: %w", ErrInvalid)
	}
	p, err := s.plan(ctx, r, KindRequest, true, len(s.o.Blobs) > 0, now)
	if err != nil {
		return Sent{}, err
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return Sent{}, err
	}
	ref := p.record.Ref
	p.details.Question, p.details.Public = question, key.PublicKey().Bytes()
	auth, err := s.secrets.taker(s.secrets.primary, ref, r.By.ID)
	if err != nil {
		return Sent{}, err
	}
	p.record.Auth = AuthHash(auth)
	p.record.Half, p.record.HalfKey = s.secrets.sealHalf(ref, key.Bytes()), s.secrets.primary
	if p.record.Sealed, err = s.secrets.seal(ref, p.details); err != nil {
		return Sent{}, err
	}
	if err := s.store.Put(ctx, p.record, stamp(EventCreated, r.By.ID, ""), now); err != nil {
		return Sent{}, err
	}
	s.nudge()
	out := p.sent(Link{
		Kind: LinkRequest, Base: s.base, Token: mspkit.Redact(p.token), Fragment: mspkit.Redact(Fingerprint(p.details.Public)),
	}.URL().Reveal())
	if out.Gate == GateNone {
		out.Warning = warnNoGateRequest
	}
	err = s.deliver(ctx, p, r, &out)
	return out, err
}

const warnNoGateRequest = "The opening gate is off: whoever reads the message can answer, and so can a program that checks links in the mailbox."

// Asked is what the holder of a request's link gets to know.
type Asked struct {
	Upload
	Gate      Gate
	TriesLeft int
	Locked    bool
	// Taken is whether somebody has been admitted already.
	Taken bool
}

// Asked returns what the page of a request needs before somebody answers it. It changes nothing.
func (s *Service) Asked(ctx context.Context, ref Ref) (Asked, error) {
	r, err := s.store.Stat(ctx, ref)
	if err == nil && r.Kind != KindRequest {
		err = ErrNotFound
	}
	if err != nil {
		return Asked{}, wrap("asked", err)
	}
	set, err := s.tenantSettings(ctx, ref.Tenant)
	if err != nil {
		return Asked{}, wrap("asked", err)
	}
	u, err := s.uploadInfo(r, set)
	return Asked{
		Upload: u, Gate: r.Gate, TriesLeft: max(r.MaxTries-r.Tries, 0), Locked: r.Locked(), Taken: len(r.Upload) > 0,
	}, wrap("asked", err)
}

// Received is the answer to a request, opened. Read it, then call [Service.AckReceived].
type Received struct {
	Text  mspkit.Redacted[string]
	Files []FileInfo

	s         *Service
	ref       Ref
	by        string
	auth      mspkit.Redacted[[]byte]
	claim     mspkit.Redacted[[]byte]
	keys      Keys
	header    Header
	sealedFor [KeySize]byte
}

// Receive opens the answer to a request, once, for the technician who asked: the host has made sure that it is them. Claim is
// [KeySize] random bytes of their session, with which a lost response can be fetched again while the lease lasts.
func (s *Service) Receive(ctx context.Context, ref Ref, technician string, claim []byte) (*Received, error) {
	out, err := s.receive(ctx, ref, technician, claim)
	return out, wrap("receive", err)
}

func (s *Service) receive(ctx context.Context, ref Ref, technician string, claim []byte) (*Received, error) {
	if len(claim) != KeySize {
		return nil, fmt.Errorf("the claim has %d bytes, it must have %d: %w", len(claim), KeySize, ErrInvalid)
	}
	auth, err := s.takerAuth(ctx, ref, technician)
	if err != nil {
		return nil, err
	}
	released, err := s.release(ctx, ref, Take{Claim: sha(claim), Auth: AuthHash(auth), Regions: s.regions, Stamp: stamp(EventRevealed, technician, "")})
	if err != nil {
		return nil, err
	}
	out := &Received{s: s, ref: ref, by: technician, auth: mspkit.Redact(auth), claim: mspkit.Redact(slices.Clone(claim)), sealedFor: released.Context}
	if out.header, err = ParseHeader(released.Header); err != nil {
		return nil, err
	}
	private, err := ecdh.P256().NewPrivateKey(released.Half.Reveal())
	if err != nil {
		return nil, err
	}
	if out.keys, err = NewRequestKeys(private, out.header.Ephemeral); err != nil {
		return nil, err
	}
	m, err := out.keys.OpenManifest(out.sealedFor, out.header, released.Manifest)
	if err != nil {
		return nil, err
	}
	out.Text, out.Files = mspkit.Redact(m.Text), m.Files
	if !slices.EqualFunc(m.Files, released.Sizes, func(f FileInfo, size int64) bool { return f.Size == size }) {
		return nil, fmt.Errorf("its files are not those that were uploaded: %w", ErrEnvelope)
	}
	return out, nil
}

// takerAuth returns the first auth of the technician who asked, or [ErrForbidden].
func (s *Service) takerAuth(ctx context.Context, ref Ref, technician string) ([]byte, error) {
	r, err := s.store.Stat(ctx, ref)
	if err != nil {
		return nil, err
	}
	if r.Kind != KindRequest {
		return nil, ErrNotFound
	}
	if !r.State.Final() {
		if err := s.served(r); err != nil {
			return nil, err
		}
	}
	for _, id := range s.secrets.ids {
		auth, err := s.secrets.taker(id, ref, technician)
		if err == nil && subtle.ConstantTimeCompare(AuthHash(auth), r.Auth) == 1 {
			return auth, nil
		}
	}
	return nil, fmt.Errorf("another technician asked for it: %w", ErrForbidden)
}

// Open returns a file of the answer, counted from 0, from its beginning. It fails with [ErrEnvelope] where the file was
// altered. The caller closes it.
func (r *Received) Open(ctx context.Context, file int) (io.ReadCloser, error) {
	if file < 0 || file >= len(r.Files) {
		return nil, wrap("open", fmt.Errorf("there is no file %d: %w", file+1, ErrInvalid))
	}
	cipher, err := r.keys.File(r.sealedFor, r.header, file)
	if err != nil {
		return nil, wrap("open", err)
	}
	sealed := &ranges{ctx: ctx, r: r, file: file, chunks: Chunks(r.Files[file].Size)}
	return struct {
		io.Reader
		io.Closer
	}{cipher.OpenReader(sealed, r.Files[file].Size, 0), sealed}, nil
}

// ranges reads the sealed chunks of a file, range by range.
type ranges struct {
	ctx          context.Context //nolint:containedctx // a reader belongs to the call that made it
	r            *Received
	file         int
	next, chunks int64
	part         *ChunkReader
}

// Read implements [io.Reader].
func (g *ranges) Read(b []byte) (int, error) {
	for {
		if g.part == nil {
			if g.next == g.chunks {
				return 0, io.EOF
			}
			to := min(g.next+MaxRange, g.chunks)
			part, err := g.r.s.chunks(g.ctx, g.r.ref, ChunkRequest{Auth: g.r.auth.Reveal(), Claim: g.r.claim.Reveal(), File: g.file, From: g.next, To: to})
			if err != nil {
				return 0, err
			}
			g.part, g.next = part, to
		}
		n, err := g.part.Read(b)
		if err == io.EOF { //nolint:errorlint // the end of the range, which is not wrapped
			g.part, err = nil, nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

// Close implements [io.Closer].
func (g *ranges) Close() error {
	if g.part == nil {
		return nil
	}
	return g.part.Close()
}

// AckReceived says that the technician has the answer: it is burnt.
func (s *Service) AckReceived(ctx context.Context, r *Received) error {
	return s.ack(ctx, r.ref, r.auth.Reveal(), r.claim.Reveal(), r.by)
}
