package client

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

// CreateOptions are what is to be sent: a text, files, or both.
type CreateOptions struct {
	Options
	Text mspkit.Redacted[string]
	// Files are read once, in order. A size that is not known is negative. They are uploaded in parts, with one of
	// 8 MiB in memory.
	Files []securesend.File
	// Passphrase, where not empty, must be typed by the recipient. Tell it by another way than the link.
	Passphrase mspkit.Redacted[string]
}

// Created is a send that can be opened.
type Created struct {
	// Link is for the recipient. Nobody else knows it: the server does not.
	Link mspkit.Redacted[string]
	// Number is what the technician says to the recipient; empty where the gate is another one.
	Number    mspkit.Redacted[string]
	Gate      securesend.Gate
	ExpiresAt time.Time
	// Warning, where not empty, says what the chosen settings put at risk.
	Warning string
}

// Create fills a grant, which is the link of [securesend.Service.Grant]: it seals here what o holds, uploads it, and
// returns the link for the recipient. Where it fails in the middle of files, ask for a new grant.
//
// Errors are those of [securesend.Service.Commit], [securesend.ErrTooLarge] and [securesend.ErrForbidden] where the
// tenant does not allow the content, [securesend.ErrConflict] where the grant was used before, [securesend.ErrLink], and
// [ErrServer].
func Create(ctx context.Context, grant string, o *CreateOptions) (Created, error) {
	if o == nil {
		o = &CreateOptions{}
	}
	out, err := create(ctx, grant, o)
	return out, wrap("create", err)
}

func create(ctx context.Context, grant string, o *CreateOptions) (Created, error) {
	l, err := parse(grant, securesend.LinkCompose)
	if err != nil {
		return Created{}, err
	}
	u := &uploader{secret: l.Fragment.Reveal(), progress: o.Progress}
	if u.caller, err = o.caller(l, l.Kind); err != nil {
		return Created{}, err
	}
	var begun wire.Begun
	if err := u.persist(ctx, "begin", wire.Upload{Upload: u.secret}, &begun); err != nil {
		return Created{}, err
	}
	if begun.State != string(securesend.StateDraft) {
		return Created{}, fmt.Errorf("this grant was filled before: %w", securesend.ErrConflict)
	}
	if err := u.take(begun); err != nil {
		return Created{}, err
	}
	if err := u.check(o.Text.Reveal(), o.Files); err != nil {
		return Created{}, err
	}
	if err := u.fresh(ctx, o.Files); err != nil {
		return Created{}, err
	}
	fragment := securesend.RandomKey()
	link := securesend.Link{Kind: securesend.LinkSend, Base: l.Base, Token: l.Token, Fragment: mspkit.Redact(fragment)}
	if begun.Held {
		if fragment, err = heldFragment(l); err != nil {
			return Created{}, err
		}
		link.Kind, link.Fragment = securesend.LinkHeld, mspkit.Redacted[[]byte]{}
	}
	c := wire.Commit{Half: securesend.RandomKey(), Auth: securesend.AuthHash(securesend.Auth(fragment))}
	u.header = securesend.Header{Held: begun.Held}
	var pass []byte
	if phrase := o.Passphrase.Reveal(); phrase != "" {
		u.header.Passphrase, u.header.Salt = true, securesend.RandomSalt()
		if pass, err = securesend.PassKey(phrase, u.header.Salt); err != nil {
			return Created{}, err
		}
		c.Pass = securesend.PassAuth(pass, fragment)
	}
	if u.keys, err = securesend.NewSendKeys(fragment, c.Half, pass); err != nil {
		return Created{}, err
	}
	files, err := u.files(ctx, o.Files)
	if err != nil {
		return Created{}, err
	}
	done, err := u.commit(ctx, o.Text.Reveal(), files, c)
	if err != nil {
		return Created{}, err
	}
	return Created{
		Link: link.URL(), Number: mspkit.Redact(done.Number), Gate: securesend.Gate(done.Gate), ExpiresAt: done.ExpiresAt, Warning: done.Warning,
	}, nil
}

// take keeps what the server says at the beginning of an upload.
func (u *uploader) take(b wire.Begun) error {
	if len(b.Context) != securesend.KeySize {
		return fmt.Errorf("the context has %d bytes: %w", len(b.Context), ErrServer)
	}
	u.context, u.limits = [securesend.KeySize]byte(b.Context), b.Limits
	return nil
}

// AnswerOptions are what is given in answer to a request: a text, files, or both.
type AnswerOptions struct {
	Options
	// Number is what the technician says, as typed.
	Number mspkit.Redacted[string]
	Text   mspkit.Redacted[string]
	// Files are as in [CreateOptions].
	Files []securesend.File
	// Upload is [securesend.KeySize] random bytes, which a program keeps that wants to begin anew after a crash: whoever
	// begins first is the only one who may answer. Nil means new ones.
	Upload []byte
}

// Answered is an answer that arrived.
type Answered struct {
	// ExpiresAt is until when the technician can fetch it.
	ExpiresAt time.Time
}

// Ask is what a request's link says before anybody answers.
type Ask struct {
	State securesend.State
	Gate  securesend.Gate
	// TriesLeft is of the number; Locked is whether they are used up.
	TriesLeft int
	Locked    bool
	// Taken is whether somebody has begun to answer.
	Taken     bool
	ExpiresAt time.Time
}

// Answer answers a request: it seals here what o holds, for the key that the link's fingerprint names, and uploads it. Only
// the technician who asked can open it. Where the server gives out another key, that is [securesend.ErrEnvelope], and
// nothing was sent. Other errors are those of [securesend.Service.Admit] and of [Create].
func Answer(ctx context.Context, link string, o *AnswerOptions) (Answered, error) {
	if o == nil {
		o = &AnswerOptions{}
	}
	out, err := answer(ctx, link, o)
	return out, wrap("answer", err)
}

func answer(ctx context.Context, link string, o *AnswerOptions) (Answered, error) {
	u := &uploader{secret: o.Upload, progress: o.Progress}
	switch len(u.secret) {
	case 0:
		u.secret = securesend.RandomKey()
	case securesend.KeySize:
	default:
		return Answered{}, fmt.Errorf("the upload secret has %d bytes, it must have %d: %w", len(u.secret), securesend.KeySize, securesend.ErrInvalid)
	}
	c, l, asked, err := look(ctx, link, o.Options)
	if err != nil {
		return Answered{}, err
	}
	u.caller, u.limits = c, asked.Limits
	if securesend.State(asked.State).Final() {
		return Answered{}, securesend.ErrEnded
	}
	if subtle.ConstantTimeCompare(securesend.Fingerprint(asked.Key), l.Fragment.Reveal()) != 1 {
		return Answered{}, fmt.Errorf("the server's key is not the one that the link names: %w", securesend.ErrEnvelope)
	}
	if err := u.check(o.Text.Reveal(), o.Files); err != nil {
		return Answered{}, err
	}
	var begun wire.Begun
	if err := u.persist(ctx, "begin", wire.Upload{Upload: u.secret, Number: o.Number.Reveal()}, &begun); err != nil {
		return Answered{}, err
	}
	if begun.State != string(securesend.StateDraft) {
		return Answered{}, fmt.Errorf("it was answered before: %w", securesend.ErrConflict)
	}
	if err := u.take(begun); err != nil {
		return Answered{}, err
	}
	if err := u.fresh(ctx, o.Files); err != nil {
		return Answered{}, err
	}
	u.header = securesend.Header{Request: true}
	if u.keys, u.header.Ephemeral, err = securesend.SealRequestKeys(asked.Key); err != nil {
		return Answered{}, err
	}
	files, err := u.files(ctx, o.Files)
	if err != nil {
		return Answered{}, err
	}
	done, err := u.commit(ctx, o.Text.Reveal(), files, wire.Commit{})
	return Answered{ExpiresAt: done.ExpiresAt}, err
}

// look asks what a request is about.
func look(ctx context.Context, link string, o Options) (*caller, securesend.Link, wire.Asked, error) {
	var asked wire.Asked
	l, err := parse(link, securesend.LinkRequest)
	if err != nil {
		return nil, l, asked, err
	}
	c, err := o.caller(l, l.Kind)
	if err == nil {
		err = c.persist(ctx, "open", wire.Empty{}, &asked)
	}
	return c, l, asked, err
}

// Look returns what the link of a request says, and changes nothing.
func Look(ctx context.Context, link string, o *Options) (Ask, error) {
	if o == nil {
		o = &Options{}
	}
	_, _, a, err := look(ctx, link, *o)
	if err != nil {
		return Ask{}, wrap("look", err)
	}
	return Ask{
		State: securesend.State(a.State), Gate: securesend.Gate(a.Gate), TriesLeft: a.TriesLeft, Locked: a.Locked, Taken: a.Taken, ExpiresAt: a.ExpiresAt,
	}, nil
}
