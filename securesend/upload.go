package securesend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Upload is what a program must know to fill a send or answer a request.
type Upload struct {
	Kind    Kind
	State   State
	Context [KeySize]byte
	Held    bool
	// Token is for the link of a send, which the program alone can complete; empty for a request.
	Token string
	// Key is the public key of a request.
	Key []byte
	// MaxText, MaxSize and MaxFiles are as in [Settings]; MaxFiles is 0 where files are not allowed.
	MaxText  int
	MaxSize  int64
	MaxFiles int
}

// BeginUpload returns what is needed to fill the draft that a token names; upload is the secret of the [Service.Grant], or
// what [Service.Admit] admitted.
func (s *Service) BeginUpload(ctx context.Context, tok string, upload []byte) (Upload, error) {
	ref, err := s.ParseToken(tok)
	if err != nil {
		return Upload{}, err
	}
	r, set, err := s.uploading(ctx, ref, upload)
	if err != nil {
		return Upload{}, wrap("begin upload", err)
	}
	out, err := s.uploadInfo(r, set)
	if err == nil && r.Kind == KindSend {
		out.Token = tok
	}
	return out, wrap("begin upload", err)
}

func (s *Service) uploadInfo(r Record, set Settings) (Upload, error) {
	d, err := s.secrets.open(r)
	out := Upload{
		Kind: r.Kind, State: r.Effective(s.now()), Context: place(r).Context(), Held: r.Held, Key: d.Public,
		MaxText: set.MaxText, MaxSize: set.MaxSize, MaxFiles: set.MaxFiles,
	}
	if !r.Blobs || set.FilesOff {
		out.MaxFiles = 0
	}
	return out, err
}

// uploading returns the record and the settings where upload may fill it.
func (s *Service) uploading(ctx context.Context, ref Ref, upload []byte) (Record, Settings, error) {
	r, err := s.store.Stat(ctx, ref)
	if err != nil {
		return r, Settings{}, err
	}
	switch {
	case !same(r.Upload, sha(upload)):
		return r, Settings{}, ErrAuth
	case r.Effective(s.now()).Final():
		return r, Settings{}, ErrEnded
	}
	set, err := s.tenantSettings(ctx, ref.Tenant)
	return r, set, err
}

// PutPart stores one sealed part of a file, counted from 0 each. It can be repeated, with the same bytes only: what was
// sealed twice is not safe. A part that arrives after the draft was completed, ended, or given to somebody else is refused,
// even where it was begun before.
func (s *Service) PutPart(ctx context.Context, ref Ref, upload []byte, file, n int, r io.Reader) error {
	return wrap("put part", s.putPart(ctx, ref, upload, file, n, r))
}

func (s *Service) putPart(ctx context.Context, ref Ref, upload []byte, file, n int, body io.Reader) error {
	r, set, err := s.uploading(ctx, ref, upload)
	if err != nil {
		return err
	}
	switch {
	case r.State != StateDraft:
		return ErrConflict
	case !r.Blobs || set.FilesOff:
		return fmt.Errorf("files are not allowed: %w", ErrForbidden)
	case file < 0 || file >= set.MaxFiles || n < 0 || int64(n) >= Parts(set.MaxSize):
		return fmt.Errorf("part %d of file %d is beyond %d files of %d bytes: %w", n, file+1, set.MaxFiles, set.MaxSize, ErrTooLarge)
	}
	blobs, err := s.blobs(r.Region)
	if err != nil {
		return err
	}
	have, err := blobs.List(ctx, ref)
	if err != nil {
		return err
	}
	left := room(have, set, file, n)
	tooLarge := fmt.Errorf("the files have more than %d bytes together, which is the tenant's limit: %w", set.MaxSize, ErrTooLarge)
	if left < Overhead {
		return tooLarge
	}
	long := fmt.Errorf("part %d of file %d is longer than %d bytes: %w", n, file+1, partSize, ErrInvalid)
	if left < partSize {
		long = tooLarge
	}
	part := &guarded{r: &limited{body, min(left, partSize), long}, check: func() error {
		r, _, err := s.uploading(ctx, ref, upload)
		if err == nil && r.State != StateDraft {
			err = ErrConflict
		}
		return err
	}}
	if err := blobs.Put(ctx, Part{ref, file, n}, part); err != nil {
		return err
	}
	// Between the check and the end of Put the draft may have ended, and Run may have deleted what was there: nothing would
	// delete this part then.
	ctx = context.WithoutCancel(ctx)
	after, err := s.store.Stat(ctx, ref)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && after.State.Final():
		return errors.Join(ErrEnded, blobs.Delete(ctx, ref))
	case err != nil || after.State != StateDraft:
		return err
	}
	// Parts that arrived at the same time did not see each other before. Whoever finds them too large together empties its own.
	if have, err = blobs.List(ctx, ref); err != nil || room(have, set, -1, -1) >= 0 {
		return err
	}
	return errors.Join(tooLarge, blobs.Put(ctx, Part{ref, file, n}, strings.NewReader("")))
}

// room returns how many sealed bytes may be added to parts, of which the one named is replaced.
func room(parts []PartInfo, set Settings, file, n int) int64 {
	// What is sealed is longer than the content, by less than this for every part.
	left := set.MaxSize + int64(set.MaxFiles)*PartChunks*Overhead + Parts(set.MaxSize)*PartChunks*Overhead
	for _, p := range parts {
		if p.File != file || p.N != n {
			left -= p.Size
		}
	}
	return left
}

// guarded is a reader that does not end well where check fails, so that nothing of it is stored.
type guarded struct {
	r     io.Reader
	check func() error
}

func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if err == io.EOF {
		if why := g.check(); why != nil {
			return n, why
		}
	}
	return n, err
}

// Parts returns the parts that have arrived, so that an upload can go on after a dropped connection.
func (s *Service) Parts(ctx context.Context, ref Ref, upload []byte) ([]PartInfo, error) {
	r, _, err := s.uploading(ctx, ref, upload)
	if err != nil {
		return nil, wrap("parts", err)
	}
	if !r.Blobs {
		return nil, nil
	}
	blobs, err := s.blobs(r.Region)
	if err != nil {
		return nil, wrap("parts", err)
	}
	parts, err := blobs.List(ctx, ref)
	return parts, wrap("parts", err)
}

// CommitRequest completes what a browser or program sealed.
type CommitRequest struct {
	// Header is [Header.Bytes], Manifest the sealed manifest, Sizes those of the files before sealing.
	Header, Manifest []byte
	Sizes            []int64
	// AuthHash is [AuthHash] of the first auth, Half the server half, PassAuth [PassAuth] where there is a passphrase; of
	// a request all three are empty.
	AuthHash, Half, PassAuth []byte
}

// Commit makes a draft ready to be opened. Repeating the same is harmless. The result has no link: only who sealed knows it.
func (s *Service) Commit(ctx context.Context, ref Ref, upload []byte, c CommitRequest) (Sent, error) {
	out, err := s.commit(ctx, ref, upload, c)
	return out, wrap("commit", err)
}

func (s *Service) commit(ctx context.Context, ref Ref, upload []byte, c CommitRequest) (Sent, error) {
	r, set, err := s.uploading(ctx, ref, upload)
	if err != nil {
		return Sent{}, err
	}
	header, err := c.check(r, set)
	if err != nil {
		return Sent{}, err
	}
	if err := s.checkParts(ctx, r, set, c.Sizes); err != nil {
		return Sent{}, err
	}
	by := r.Sender
	if r.Kind == KindRequest {
		by = ByRecipient
	}
	content := s.content(r, sealed{header: header, half: c.Half, auth: c.AuthHash, pass: c.PassAuth}, c.Manifest, c.Sizes)
	content.Upload, content.Stamp = sha(upload), stamp(EventUploaded, by, "")
	if r, err = s.store.Commit(ctx, ref, content, s.now()); err != nil {
		return Sent{}, err
	}
	s.nudge()
	out := Sent{Ref: ref, Gate: r.Gate, Region: r.Region, ExpiresAt: r.ExpiresAt}
	if r.Kind == KindSend {
		if r.Gate == GateNone {
			out.Warning = warnNoGate
		}
		d, err := s.secrets.open(r)
		if err != nil {
			return Sent{}, err
		}
		out.Number = redactNumber(d)
	}
	return out, nil
}

// check refuses what does not fit the draft r.
func (c CommitRequest) check(r Record, set Settings) (Header, error) {
	h, err := ParseHeader(c.Header)
	if err != nil {
		return h, err
	}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(format+": %w", append(args, ErrInvalid)...))
	}
	send := r.Kind == KindSend
	if h.Request == send || h.Held != (r.Held && send) {
		bad("the envelope is not for a %s of this kind", r.Kind)
	}
	pass := 0
	if h.Passphrase {
		pass = KeySize
	}
	if send && (len(c.AuthHash) != KeySize || len(c.Half) != KeySize || len(c.PassAuth) != pass) {
		bad("the key hash, the half and the passphrase's must have %d bytes each", KeySize)
	}
	if !send && len(c.AuthHash)+len(c.Half)+len(c.PassAuth) > 0 {
		bad("the answer to a request has no key hash, half or passphrase")
	}
	// Names are at most 120 bytes, and JSON may need six for one of a text.
	if most := min(6*set.MaxText+len(c.Sizes)*1024+64, MaxInline); len(c.Manifest) <= Overhead || len(c.Manifest) > most {
		errs = append(errs, fmt.Errorf("the sealed text has %d bytes, it must have more than %d and at most %d: %w", len(c.Manifest), Overhead, most, ErrTooLarge))
	}
	return h, errors.Join(errs...)
}

// checkParts compares what arrived to what the files must have.
func (s *Service) checkParts(ctx context.Context, r Record, set Settings, sizes []int64) error {
	if len(sizes) > set.MaxFiles {
		return fmt.Errorf("there are %d files, at most %d are allowed: %w", len(sizes), set.MaxFiles, ErrTooLarge)
	}
	var total int64
	for i, size := range sizes {
		if size < 0 || size > set.MaxSize-total {
			return fmt.Errorf("file %d: the files must not have more than %d bytes together: %w", i+1, set.MaxSize, ErrTooLarge)
		}
		total += size
	}
	if !r.Blobs {
		if len(sizes) > 0 {
			return fmt.Errorf("files are not allowed: %w", ErrForbidden)
		}
		return nil
	}
	blobs, err := s.blobs(r.Region)
	if err != nil {
		return err
	}
	parts, err := blobs.List(ctx, r.Ref)
	if err != nil {
		return err
	}
	next := 0
	for i, size := range sizes {
		for n := range int(Parts(size)) {
			// What belongs to no file was uploaded and then left out; it is deleted with the rest.
			for next < len(parts) && (parts[next].File < i || parts[next].File == i && parts[next].N < n) {
				next++
			}
			if next == len(parts) || parts[next] != (PartInfo{i, n, PartSize(size, n)}) {
				return fmt.Errorf("file %d, part %d has not arrived completely: upload it again: %w", i+1, n, ErrInvalid)
			}
		}
	}
	return nil
}

// Admit lets a program answer a request: upload are [KeySize] random bytes that it keeps, number what was typed. The first
// one is admitted, and may ask again. Errors are as in [Service.Take].
func (s *Service) Admit(ctx context.Context, ref Ref, upload []byte, number string) (Upload, error) {
	if len(upload) != KeySize {
		return Upload{}, wrap("admit", fmt.Errorf("the upload secret has %d bytes, it must have %d: %w", len(upload), KeySize, ErrInvalid))
	}
	a := Admission{Upload: sha(upload), Stamp: stamp(EventOpened, ByRecipient, "")}
	if typed := digits(number); typed != "" {
		a.Number = s.secrets.macs(s.secrets.numbers, ref, typed)
	}
	r, err := s.store.Admit(ctx, ref, a, s.now())
	if errors.Is(err, ErrNumber) || errors.Is(err, ErrLocked) {
		s.nudge()
		err = &Refusal{Err: err, TriesLeft: max(r.MaxTries-r.Tries, 0)}
	}
	if err != nil {
		return Upload{}, wrap("admit", err)
	}
	s.nudge()
	set, err := s.tenantSettings(ctx, ref.Tenant)
	if err != nil {
		return Upload{}, wrap("admit", err)
	}
	out, err := s.uploadInfo(r, set)
	return out, wrap("admit", err)
}
