package securesend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
)

// Technician is who sends or asks.
type Technician struct {
	ID string
	// Name is shown to the recipient.
	Name string
	// Admin is not bound by [Settings.LockTechnician].
	Admin bool
}

// Destination is an address that one of [Options.Senders] sends to.
type Destination struct {
	// Sender is the name of the sender, such as "sms".
	Sender  string
	Address string
}

// File is a file to be sent.
type File struct {
	// Name is cleaned by [CleanName].
	Name string
	// Size is how many bytes Reader has; negative where that is not known.
	Size   int64
	Reader io.Reader
}

// SendRequest asks for a send. All ids are the host's own.
type SendRequest struct {
	Tenant mspkit.TenantID
	By     Technician
	// Subject is the recipient's id, where the host knows one; [GateProof] needs it.
	Subject string
	Ticket  mspkit.Ticket
	// Locale is the recipient's language, a BCP 47 tag; empty means the tenant's.
	Locale string
	Choice Choice

	// Text and Files are the content, at least one of them. For [Service.Grant] both must be empty.
	Text  mspkit.Redacted[string]
	Files []File
	// Passphrase, where not empty, must be typed by the recipient. It is told by another way than the link.
	Passphrase mspkit.Redacted[string]
	// Deliver sends the link to these addresses. For [Service.Grant] it must be empty: the browser that seals knows the
	// link, and the server does not.
	Deliver []Destination
	// Code is where the code goes, for [GateCode]. Its sender must be another one than those of Deliver.
	Code Destination
}

// Sent is a send as the technician who made it sees it.
type Sent struct {
	Ref Ref
	// Link is what the recipient opens. The service has not kept it. Of a [Service.Grant] it is the address of the page on which
	// the technician fills the send.
	Link mspkit.Redacted[string]
	// Number is what the technician says, for [GateNumber].
	Number    mspkit.Redacted[string]
	Gate      Gate
	Region    string
	ExpiresAt time.Time
	// Warning, where not empty, says what the chosen settings put at risk, for the technician.
	Warning string
	// Undelivered lists the names of senders that failed.
	Undelivered []string
}

// sent is what the technician gets to know of p.
func (p *plan) sent(link string) Sent {
	out := Sent{
		Ref: p.record.Ref, Link: mspkit.Redact(link), Number: mspkit.Redact(p.details.Number), Gate: p.record.Gate,
		Region: p.record.Region, ExpiresAt: p.record.ExpiresAt,
	}
	if p.record.Gate == GateNone {
		out.Warning = warnNoGate
	}
	return out
}

const warnNoGate = "The opening gate is off: whoever reads the message can open this, and so can a program that checks links in the mailbox."

// Create seals a text and files and stores them. The link is in the result, and nowhere else once Create has returned, unless
// Deliver sends it. With an error that is [ErrDelivery] the send stands nevertheless.
func (s *Service) Create(ctx context.Context, r SendRequest) (Sent, error) {
	out, err := s.create(ctx, r, nil)
	return out, wrap("create", err)
}

// Resend sends content again: a new send with a new link, and the one of old can no longer be opened. Where the new
// one cannot be made, old stays as it is. An old that has ended is no error.
func (s *Service) Resend(ctx context.Context, old Ref, r SendRequest) (Sent, error) {
	if old.Tenant != r.Tenant {
		return Sent{}, wrap("resend", fmt.Errorf("it belongs to another tenant: %w", ErrNotFound))
	}
	is, err := s.owned(ctx, old, r.By.ID, PermissionRevokeOther)
	if err == nil && is.Kind != KindSend {
		err = fmt.Errorf("only a send can be sent again: %w", ErrInvalid)
	}
	if err != nil {
		return Sent{}, wrap("resend", err)
	}
	out, err := s.create(ctx, r, func(ctx context.Context) error {
		_, err := s.store.Revoke(ctx, old, stamp(EventRevoked, r.By.ID, "sent again"), s.now())
		if err == nil {
			return nil
		}
		// It has ended before, or the store has done it and the reply was lost.
		is, lost := s.store.Stat(ctx, old)
		if errors.Is(lost, ErrNotFound) || lost == nil && is.Effective(s.now()).Final() {
			return nil
		}
		return err
	})
	return out, wrap("resend", err)
}

// create makes a send; before is called when it is there and nobody has the link yet. Where anything fails until then, the
// send is taken back.
func (s *Service) create(ctx context.Context, r SendRequest, before func(context.Context) error) (Sent, error) {
	now := s.now()
	p, err := s.plan(ctx, r, KindSend, false, len(r.Files) > 0, now)
	if err != nil {
		return Sent{}, err
	}
	if err := p.checkContent(r); err != nil {
		return Sent{}, err
	}
	if p.details.DataToNote {
		if err := s.canNote(ctx, r); err != nil {
			return Sent{}, fmt.Errorf("data to internal note: %w", err)
		}
	}
	fragment := RandomKey()
	link := Link{Kind: LinkSend, Base: s.base, Token: mspkit.Redact(p.token), Fragment: mspkit.Redact(fragment)}
	if p.record.Held {
		fragment = HeldFragment(p.secret[:])
		link.Kind, link.Fragment = LinkHeld, mspkit.Redacted[[]byte]{}
	}
	c := sealed{half: RandomKey(), header: Header{Held: p.record.Held}}
	var pass []byte
	if phrase := r.Passphrase.Reveal(); phrase != "" {
		c.header.Passphrase, c.header.Salt = true, RandomSalt()
		if pass, err = PassKey(phrase, c.header.Salt); err != nil {
			return Sent{}, err
		}
		c.pass = PassAuth(pass, fragment)
	}
	keys, err := NewSendKeys(fragment, c.half, pass)
	if err != nil {
		return Sent{}, err
	}
	c.auth = AuthHash(Auth(fragment))
	err = s.fill(ctx, p, r, keys, c, now)
	if err == nil && p.details.DataToNote {
		err = s.noteData(ctx, r)
	}
	if err == nil && before != nil {
		err = before(ctx)
	}
	if err != nil {
		return Sent{}, errors.Join(err, s.abandon(ctx, p.record))
	}
	s.nudge()
	out := p.sent(link.URL().Reveal())
	err = s.deliver(ctx, p, r, &out)
	return out, err
}

// checkContent refuses what the tenant does not allow.
func (p *plan) checkContent(r SendRequest) error {
	text := r.Text.Reveal()
	switch {
	case text == "" && len(r.Files) == 0:
		return fmt.Errorf("there is neither a text nor a file: %w", ErrInvalid)
	case !utf8.ValidString(text):
		return fmt.Errorf("the text is not UTF-8: send it as a file: %w", ErrInvalid)
	case len(text) > p.settings.MaxText:
		return fmt.Errorf("the text has %d bytes, at most %d are allowed: send it as a file: %w", len(text), p.settings.MaxText, ErrTooLarge)
	case len(r.Files) > 0 && p.settings.FilesOff:
		return fmt.Errorf("files are switched off in the tenant's settings: %w", ErrForbidden)
	case len(r.Files) > p.settings.MaxFiles:
		return fmt.Errorf("there are %d files, at most %d are allowed: %w", len(r.Files), p.settings.MaxFiles, ErrTooLarge)
	}
	var total int64
	for i, f := range r.Files {
		if f.Reader == nil {
			return fmt.Errorf("file %d has no Reader: %w", i+1, ErrInvalid)
		}
		if f.Size > p.settings.MaxSize-total {
			return p.tooLarge()
		}
		total += max(f.Size, 0)
	}
	return nil
}

func (p *plan) tooLarge() error {
	return fmt.Errorf("the files have more than %d bytes together, which is the tenant's limit: %w", p.settings.MaxSize, ErrTooLarge)
}

// sealed is what sealing gives besides the files.
type sealed struct {
	header           Header
	half, auth, pass []byte
}

// fill seals the content of r and stores it.
func (s *Service) fill(ctx context.Context, p *plan, r SendRequest, keys Keys, c sealed, now time.Time) error {
	context := place(p.record).Context()
	m := Manifest{Text: r.Text.Reveal()}
	created := stamp(EventCreated, r.By.ID, "")
	if len(r.Files) == 0 {
		inline, err := keys.SealManifest(context, c.header, m)
		if err != nil {
			return err
		}
		p.record.complete(s.content(p.record, c, inline, nil), now)
		return s.store.Put(ctx, p.record, created, now)
	}
	p.record.Upload = sha(RandomKey()) // nobody else fills it
	if err := s.store.Put(ctx, p.record, created, now); err != nil {
		return err
	}
	var err error
	if m.Files, err = s.upload(ctx, p, r.Files, func(i int) (*FileCipher, error) { return keys.File(context, c.header, i) }); err != nil {
		return err
	}
	inline, err := keys.SealManifest(context, c.header, m)
	if err != nil {
		return err
	}
	sizes := make([]int64, len(m.Files))
	for i, f := range m.Files {
		sizes[i] = f.Size
	}
	content := s.content(p.record, c, inline, sizes)
	content.Stamp = stamp(EventUploaded, r.By.ID, "")
	_, err = s.store.Commit(ctx, p.record.Ref, content, s.now())
	return err
}

// content is what the store keeps of c.
func (s *Service) content(r Record, c sealed, inline []byte, sizes []int64) Content {
	out := Content{
		Upload: r.Upload, Auth: c.auth, Header: c.header.Bytes(), HalfKey: s.secrets.primary, Half: s.secrets.sealHalf(r.Ref, c.half),
		Inline: inline, Sizes: sizes,
	}
	if len(c.pass) > 0 {
		out.PassKeyID = s.secrets.primary
		out.PassMAC = s.secrets.macs(s.secrets.phrases, r.Ref, string(c.pass))[s.secrets.primary]
	}
	return out
}

// abandon destroys a send that could not be made, whether the store has it or not: nobody has its link.
func (s *Service) abandon(ctx context.Context, r Record) error {
	ctx, cancel := s.bounded(context.WithoutCancel(ctx))
	defer cancel()
	_, err := s.store.Revoke(ctx, r.Ref, stamp(EventRevoked, BySystem, "it could not be made"), s.now())
	s.nudge()
	if errors.Is(err, ErrEnded) || errors.Is(err, ErrNotFound) {
		return s.deleteParts(ctx, r) // it has expired while it was uploaded, and Run may have deleted what was there then
	}
	return err // nil means that Run deletes the parts
}

// deleteParts deletes what there is of the files of r.
func (s *Service) deleteParts(ctx context.Context, r Record) error {
	if !r.Blobs {
		return nil
	}
	blobs, err := s.blobs(r.Region)
	if err != nil {
		return err
	}
	return blobs.Delete(ctx, r.Ref)
}

// bounded limits how long something of the host's, or a clean-up, may take.
func (s *Service) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.o.SendTimeout)
}

// limited is a reader that fails with err after n bytes.
type limited struct {
	r   io.Reader
	n   int64
	err error
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.n -= int64(n); l.n < 0 {
		return 0, l.err
	}
	return n, err
}

// upload seals files and stores their parts, in constant memory.
func (s *Service) upload(ctx context.Context, p *plan, files []File, cipher func(int) (*FileCipher, error)) ([]FileInfo, error) {
	blobs, err := s.blobs(p.record.Region)
	if err != nil {
		return nil, err
	}
	var out []FileInfo
	left := p.settings.MaxSize
	for i, f := range files {
		c, err := cipher(i)
		if err != nil {
			return nil, err
		}
		plain := c.SealReader(&limited{f.Reader, left, p.tooLarge()}, f.Size)
		parts := &parts{r: plain}
		for n := 0; parts.more(); n++ {
			if err := blobs.Put(ctx, Part{p.record.Ref, i, n}, parts); err != nil {
				return nil, fmt.Errorf("file %d: %w", i+1, err)
			}
		}
		if parts.err != nil {
			return nil, fmt.Errorf("file %d: %w", i+1, parts.err)
		}
		left -= plain.Size()
		out = append(out, FileInfo{Name: f.Name, Size: plain.Size()})
	}
	return out, nil
}

const partSize = PartChunks * (ChunkSize + Overhead)

// parts reads a stream part by part: io.EOF at the end of each, and more says whether another one begins.
type parts struct {
	r    io.Reader
	left int64
	peek [1]byte
	has  bool // peek holds a byte
	err  error
}

func (p *parts) more() bool {
	p.left = partSize
	if p.err == nil {
		_, p.err = io.ReadFull(p.r, p.peek[:])
		p.has = p.err == nil
	}
	if p.err == io.EOF { //nolint:errorlint // the end of the stream, which is not wrapped
		p.err = nil
		return false
	}
	return p.err == nil
}

func (p *parts) Read(b []byte) (int, error) {
	switch {
	case len(b) == 0:
		return 0, nil
	case p.has:
		b[0], p.has = p.peek[0], false
		p.left--
		return 1, nil
	case p.left == 0:
		return 0, io.EOF
	}
	n, err := p.r.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	return n, err
}

// canNote asks whether the ticket system keeps an internal note to itself.
func (s *Service) canNote(ctx context.Context, r SendRequest) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.o.DataNoter.CanNote(ctx, r.Tenant, r.Ticket)
}

// noteData writes the text into the ticket. Where that fails the send is taken back: the technician wanted both.
func (s *Service) noteData(ctx context.Context, r SendRequest) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	names := make([]string, len(r.Files))
	for i, f := range r.Files {
		names[i] = CleanName(f.Name)
	}
	err := s.o.DataNoter.NoteData(ctx, DataNote{Tenant: r.Tenant, Ticket: r.Ticket, Technician: r.By, Text: r.Text, Files: names})
	if err == nil {
		return nil
	}
	return fmt.Errorf("data to internal note, the send was taken back: %w", withhold(err, slices.Concat(names, []string{r.Text.Reveal()})...))
}

// Grant lets a technician's browser fill a send: it seals there, and the server never sees the content. The link of the
// result leads to the page for that and carries what allows to upload; only this technician's browser may get it.
func (s *Service) Grant(ctx context.Context, r SendRequest) (Sent, error) {
	out, err := s.grant(ctx, r)
	return out, wrap("grant", err)
}

func (s *Service) grant(ctx context.Context, r SendRequest) (Sent, error) {
	now := s.now()
	switch {
	case r.Text.Reveal() != "" || len(r.Files) > 0 || r.Passphrase.Reveal() != "":
		return Sent{}, fmt.Errorf("content and passphrase are given in the browser: use Create: %w", ErrInvalid)
	case len(r.Deliver) > 0:
		return Sent{}, fmt.Errorf("only the technician's browser will know the link, so it cannot be sent from here: use Create: %w", ErrUnsupported)
	}
	p, err := s.plan(ctx, r, KindSend, true, len(s.o.Blobs) > 0, now)
	if err != nil {
		return Sent{}, err
	}
	upload := RandomKey()
	p.record.Upload = sha(upload)
	if err := s.store.Put(ctx, p.record, stamp(EventCreated, r.By.ID, ""), now); err != nil {
		return Sent{}, err
	}
	s.nudge()
	return p.sent(Link{Kind: LinkCompose, Base: s.base, Token: mspkit.Redact(p.token), Fragment: mspkit.Redact(upload)}.URL().Reveal()), nil
}
