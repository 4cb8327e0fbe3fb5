package securesend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

// View is what a page shows to whoever has the path of a link. It holds nothing that they may not know.
type View struct {
	Ref    Ref
	Kind   Kind
	State  State
	Held   bool
	Brand  mspkit.Brand
	Locale string
	// Header is the tenant's text above everything, Technician the name of who sent or asks, Question what they ask for.
	Header, Technician, Question string
	ExpiresAt                    time.Time
}

// View returns what the page of a token shows. It changes nothing.
func (s *Service) View(ctx context.Context, ref Ref) (View, error) {
	v, _, err := s.view(ctx, ref)
	return v, wrap("view", err)
}

func (s *Service) view(ctx context.Context, ref Ref) (View, Record, error) {
	r, err := s.store.Stat(ctx, ref)
	if err != nil {
		return View{}, r, err
	}
	set, err := s.tenantSettings(ctx, ref.Tenant)
	if err != nil {
		return View{}, r, err
	}
	d, err := s.secrets.open(r)
	if err != nil {
		return View{}, r, err
	}
	v := View{
		Ref: ref, Kind: r.Kind, State: r.Effective(s.now()), Held: r.Held, Brand: set.Brand, Locale: d.Locale,
		Header: d.Header, Technician: d.Technician, Question: d.Question, ExpiresAt: r.ExpiresAt,
	}
	if v.Locale == "" {
		v.Locale = set.Locale
	}
	if r.State.Final() {
		v.Header = set.Defaults.Header
	}
	return v, r, nil
}

// Opened is what somebody with the whole link gets to know before they open a send.
type Opened struct {
	State   State
	Context [KeySize]byte
	Header  []byte
	Gate    Gate
	// TriesLeft is of the number or code, PassTriesLeft of the passphrase.
	TriesLeft, PassTriesLeft int
	// CodeSent is whether a code is on its way that is still good.
	CodeSent   bool
	Passphrase bool
	// Locked is whether tries are used up, so that the sender must renew the number.
	Locked bool
	// Sizes are those of the files in bytes.
	Sizes     []int64
	ExpiresAt time.Time
	// OpenedBefore is when it was first opened by anybody, zero where it was not. EndedAt is when it ended.
	OpenedBefore, EndedAt time.Time
	ViewsLeft             int
}

func opened(r Record, now time.Time) Opened {
	return Opened{
		State: r.Effective(now), Context: place(r).Context(), Header: r.Header, Gate: r.Gate,
		TriesLeft: max(r.MaxTries-r.Tries, 0), PassTriesLeft: max(r.MaxPassTries-r.PassTries, 0), CodeSent: now.Before(r.CodeUntil),
		Passphrase: hasPassphrase(r), Locked: r.Locked(), Sizes: r.Sizes, ExpiresAt: r.ExpiresAt,
		OpenedBefore: r.RevealedAt, EndedAt: r.EndedAt, ViewsLeft: max(r.MaxViews-r.Views, 0),
	}
}

func hasPassphrase(r Record) bool {
	h, err := ParseHeader(r.Header)
	return err == nil && h.Passphrase
}

// Open returns what the holder of the whole link may know; auth is [Auth] of the fragment. The first time is noted as
// [EventOpened]. A wrong auth is [ErrAuth] and changes nothing.
func (s *Service) Open(ctx context.Context, ref Ref, auth []byte) (Opened, error) {
	now := s.now()
	r, err := s.store.Open(ctx, ref, AuthHash(auth), stamp(EventOpened, ByRecipient, ""), now)
	if err != nil {
		return Opened{}, wrap("open", err)
	}
	return opened(r, now), nil
}

// TakeRequest is what a recipient brings.
type TakeRequest struct {
	// Auth is [Auth] of the fragment, Claim [KeySize] random bytes that the recipient's program keeps, so that it can
	// repeat the request.
	Auth, Claim []byte
	// Number is the number or code as typed.
	Number string
	// PassAuth is [PassAuth] of the passphrase, or empty.
	PassAuth []byte
}

// Released is a send that was handed to a claim.
type Released struct {
	// Half is what only the server had.
	Half    mspkit.Redacted[[]byte]
	Context [KeySize]byte
	Header  []byte
	// Manifest is the sealed manifest.
	Manifest   []byte
	Sizes      []int64
	LeaseUntil time.Time
	ExpiresAt  time.Time
	// Message is the tenant's text to be shown with the content.
	Message   string
	ViewsLeft int
}

// Refusal says why a send was not opened, with what is left. It is the error in Err.
type Refusal struct { //nolint:errname // it is read for what is left more than for what went wrong
	Err                      error
	TriesLeft, PassTriesLeft int
}

// Error says why.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

func refusal(r Record, err error) *Refusal {
	return &Refusal{Err: err, TriesLeft: max(r.MaxTries-r.Tries, 0), PassTriesLeft: max(r.MaxPassTries-r.PassTries, 0)}
}

// Take hands a send to the claim: it is the only way to open one. The same claim may repeat it while its lease lasts. Errors are
// [ErrAuth], [ErrOpening], [ErrEnded], [ErrDraft], [ErrNumber], [ErrPassphrase], [ErrLocked], [ErrGate], [ErrRegion] and
// [ErrNotFound]; those that cost a try are a [*Refusal].
func (s *Service) Take(ctx context.Context, ref Ref, t TakeRequest) (Released, error) {
	if len(t.Claim) != KeySize {
		return Released{}, wrap("take", fmt.Errorf("the claim has %d bytes, it must have %d: %w", len(t.Claim), KeySize, ErrInvalid))
	}
	take := Take{Claim: sha(t.Claim), Auth: AuthHash(t.Auth), Regions: s.regions, Stamp: stamp(EventRevealed, ByRecipient, "")}
	if number := digits(t.Number); number != "" {
		take.Number = s.secrets.macs(s.secrets.numbers, ref, number)
	}
	if len(t.PassAuth) > 0 {
		take.Pass = s.secrets.macs(s.secrets.phrases, ref, string(t.PassAuth))
	}
	out, err := s.release(ctx, ref, take)
	return out, wrap("take", err)
}

// release is the one place where a server half leaves the service.
func (s *Service) release(ctx context.Context, ref Ref, t Take) (Released, error) {
	r, err := s.store.Take(ctx, ref, t, s.now())
	if errors.Is(err, ErrGate) && s.o.Gate != nil {
		// Nothing else is in the way, apart from a passphrase, and nothing was counted or used up.
		if err := s.admit(ctx, r, t); err != nil {
			return Released{}, err
		}
		t.Allowed = true
		r, err = s.store.Take(ctx, ref, t, s.now())
	}
	if errors.Is(err, ErrNumber) || errors.Is(err, ErrPassphrase) || errors.Is(err, ErrLocked) {
		s.nudge()
		return Released{}, refusal(r, err)
	}
	if err != nil {
		return Released{}, err
	}
	s.nudge()
	if err := s.served(r); err != nil {
		return Released{}, err // an instance without any region; the claim can be used with another one
	}
	d, err := s.secrets.open(r)
	if err != nil {
		return Released{}, err
	}
	half, err := s.secrets.halves.Open(r.Half, string(r.Tenant), r.ID)
	if err != nil {
		return Released{}, err
	}
	return Released{
		Half: mspkit.Redact(half), Context: place(r).Context(), Header: r.Header, Manifest: r.Inline, Sizes: r.Sizes,
		LeaseUntil: r.LeaseUntil, ExpiresAt: r.ExpiresAt, Message: d.Message, ViewsLeft: max(r.MaxViews-r.Views, 0),
	}, nil
}

// Ack says that everything arrived: the send is burnt at once, or the view ends where more are left. Repeating it is
// harmless.
func (s *Service) Ack(ctx context.Context, ref Ref, auth, claim []byte) error {
	return s.ack(ctx, ref, auth, claim, ByRecipient)
}

func (s *Service) ack(ctx context.Context, ref Ref, auth, claim []byte, by string) error {
	_, err := s.store.Ack(ctx, ref, sha(claim), AuthHash(auth), stamp(EventAcknowledged, by, ""), s.now())
	s.nudge()
	return wrap("ack", err)
}

// MaxRange is how many chunks can be fetched at once.
const MaxRange = 16

// ChunkRequest asks for sealed chunks From to To, To not included, of a file counted from 0.
type ChunkRequest struct {
	Auth, Claim []byte
	File        int
	From, To    int64
}

// Chunks returns sealed chunks to who holds the lease. While they are read, the lease is extended, and when all of them were
// read, that is noted. The caller closes what it gets.
func (s *Service) Chunks(ctx context.Context, ref Ref, c ChunkRequest) (*ChunkReader, error) {
	out, err := s.chunks(ctx, ref, c)
	return out, wrap("chunks", err)
}

func (s *Service) chunks(ctx context.Context, ref Ref, c ChunkRequest) (*ChunkReader, error) {
	if c.To <= c.From || c.To-c.From > MaxRange || c.From < 0 {
		return nil, fmt.Errorf("chunks %d to %d are not 1 to %d chunks: %w", c.From, c.To, MaxRange, ErrInvalid)
	}
	// What cannot be given here must not extend the lease.
	fetch := Fetch{Claim: sha(c.Claim), Auth: AuthHash(c.Auth), File: c.File, From: c.From, To: c.From, Until: c.To, Regions: s.regions}
	if len(s.regions) == 0 {
		fetch.Regions = []string{""} // no files are given here
	}
	now := s.now()
	r, err := s.store.Extend(ctx, ref, fetch, now)
	if err != nil {
		return nil, err
	}
	blobs, err := s.blobs(r.Region)
	if err != nil {
		return nil, err
	}
	size := r.Sizes[c.File]
	from := c.From * (ChunkSize + Overhead)
	return &ChunkReader{
		s: s, ctx: ctx, blobs: blobs, ref: ref, fetch: fetch, to: c.To, extended: now,
		off: from, end: min(c.To*(ChunkSize+Overhead), SealedSize(size)), Size: min(c.To*(ChunkSize+Overhead), SealedSize(size)) - from,
	}, nil
}

// leaseStep is how often the lease is extended while chunks are read.
const leaseStep = Lease / 4

// ChunkReader reads sealed chunks of one file. It is not safe for concurrent use.
type ChunkReader struct {
	// Size is how many bytes there are to be read.
	Size int64

	s        *Service
	ctx      context.Context //nolint:containedctx // a reader belongs to the request that asked for it
	blobs    BlobStore
	ref      Ref
	fetch    Fetch
	to       int64
	extended time.Time
	off, end int64
	part     io.ReadCloser
	partEnd  int64
}

// Read implements [io.Reader]. It fails with [ErrEnded] where the lease ends or the send is revoked, at the latest a quarter
// of a [Lease] later. That all of it was read is noted before the last bytes are handed out: who has them may acknowledge at
// once.
func (c *ChunkReader) Read(b []byte) (int, error) {
	if c.off == c.end {
		if err := c.note(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	if now := c.s.now(); now.Sub(c.extended) >= leaseStep {
		if _, err := c.s.store.Extend(c.ctx, c.ref, c.fetch, now); err != nil {
			return 0, wrap("chunks", err)
		}
		c.extended = now
	}
	if c.part == nil {
		n := c.off / partSize
		c.partEnd = min((n+1)*partSize, c.end)
		part, err := c.blobs.Open(c.ctx, Part{c.ref, c.fetch.File, int(n)}, c.off%partSize, c.partEnd-c.off)
		if errors.Is(err, ErrNoPart) {
			if _, why := c.s.store.Extend(c.ctx, c.ref, c.fetch, c.s.now()); why != nil {
				err = why // it has ended, and Run has deleted the part
			}
		}
		if err != nil {
			return 0, wrap("chunks", err)
		}
		c.part = part
	}
	n, err := c.part.Read(b[:min(int64(len(b)), c.partEnd-c.off)])
	c.off += int64(n)
	switch {
	case c.off == c.partEnd:
		if err = c.Close(); err == nil && c.off == c.end {
			err = c.note()
		}
		if err != nil {
			n = 0
		}
	case err == io.EOF: //nolint:errorlint // the end of the stream, which is not wrapped
		err = wrap("chunks", io.ErrUnexpectedEOF)
	default:
		err = wrap("chunks", err)
	}
	return n, err
}

// note notes that everything was read, once.
func (c *ChunkReader) note() error {
	if c.to == c.fetch.To {
		return nil
	}
	f := c.fetch
	f.To = c.to
	if _, err := c.s.store.Extend(c.ctx, c.ref, f, c.s.now()); err != nil {
		return wrap("chunks", err)
	}
	c.fetch = f
	return nil
}

// Close implements [io.Closer].
func (c *ChunkReader) Close() error {
	if c.part == nil {
		return nil
	}
	err := c.part.Close()
	c.part = nil
	return wrap("chunks", err)
}

// SendCode sends the code of a [GateCode] to the address on record. A limit is [ErrLimited].
func (s *Service) SendCode(ctx context.Context, ref Ref, auth []byte) error {
	return wrap("send the code", s.sendCode(ctx, ref, auth))
}

const codeDigits = 6

func (s *Service) sendCode(ctx context.Context, ref Ref, auth []byte) error {
	now := s.now()
	set, err := s.tenantSettings(ctx, ref.Tenant)
	if err != nil {
		return err
	}
	r, err := s.store.Stat(ctx, ref)
	if err != nil {
		return err
	}
	// The same as SendCode would say, before a limit of the address is counted.
	check := r.Clone()
	c := Code{Auth: AuthHash(auth), Cooldown: s.o.CodeCooldown, MaxSends: s.o.CodeSends, Stamp: stamp(EventCodeSent, ByRecipient, "")}
	if _, err := check.SendCode(c, now); err != nil {
		return err
	}
	d, err := s.secrets.open(r)
	if err != nil {
		return err
	}
	if err := s.store.Count(ctx, s.codeLimits(r, d), now); err != nil {
		return err
	}
	code := token.Digits(codeDigits)
	c.KeyID, c.MAC, c.Until = s.secrets.primary, s.secrets.number(ref, code), now.Add(s.o.CodeTTL)
	c.Stamp.Reason = d.CodeBy
	if _, err := s.store.SendCode(ctx, ref, c, now); err != nil {
		return err
	}
	s.nudge()
	locale := d.Locale
	if locale == "" {
		locale = set.Locale
	}
	err = s.send(ctx, d.CodeBy, Message{
		Ref: ref, Key: NewEventID(), To: d.CodeTo, Brand: set.Brand, Locale: locale, Code: mspkit.Redact(code), Technician: d.Technician,
		Text:    mspkit.Redact(codeText(set.Brand.Name, code, s.o.CodeTTL)),
		Subject: fill(codeSubject, "", set.Brand.Name, ""),
	})
	if err == nil {
		return nil
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "securesend: a code could not be sent", slog.String("sender", d.CodeBy), slog.Any("error", err))
	if err := s.note(ctx, ref, stamp(EventUnsent, BySystem, d.CodeBy)); err != nil {
		return errors.Join(ErrDelivery, err)
	}
	return ErrDelivery
}

const codeSubject = "Your code from ${brand}"

func codeText(brand, code string, ttl time.Duration) string {
	good := fmt.Sprintf("%d minutes", int(ttl.Minutes()))
	if ttl < 2*time.Minute {
		good = fmt.Sprintf("%d seconds", int(ttl.Seconds()))
	}
	return fmt.Sprintf("%s: %s is your code to open what you were sent. It is good for %s. Give it to nobody.", cleantext.Name(brand, 64), code, good)
}

// codeLimits are like those of verifications: messages to one address over all tenants, and to one person.
func (s *Service) codeLimits(r Record, d details) []Limit {
	address := s.secrets.hash("destination", d.CodeBy, strings.ToLower(d.CodeTo))
	limits := []Limit{
		{Name: LimitCooldown, Key: "destination/" + address + "/cooldown", Max: 1, Window: s.o.CodeCooldown, Global: true},
		{Name: LimitDestination, Key: "destination/" + address + "/day", Max: 10, Window: day, Global: true},
	}
	if r.Subject != "" {
		limits = append(limits, Limit{Name: LimitSubject, Key: string(r.Tenant) + "/subject/" + s.secrets.hash("subject", string(r.Tenant), r.Subject), Max: 20, Window: day})
	}
	return limits
}
