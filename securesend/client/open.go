package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

// OpenOptions are what a recipient brings besides the link.
type OpenOptions struct {
	Options
	// Number is what the technician says, Code what [SendCode] sent, as typed.
	Number, Code mspkit.Redacted[string]
	Passphrase   mspkit.Redacted[string]
	// Claim is [securesend.KeySize] random bytes, which a program keeps that wants to open the same again after a crash,
	// while the lease lasts. Nil means new ones.
	Claim []byte
	// Waiting is told where the sender wants a verification that has to be confirmed elsewhere, and whenever the hint
	// changes that says where. Without it, such a send is an [securesend.ErrGate].
	Waiting func(hint string)
}

// Content is a send that was opened. It is not safe for concurrent use.
type Content struct {
	Text mspkit.Redacted[string]
	// Files are in the order of the sender. Their names are clean, see [securesend.CleanName].
	Files []securesend.FileInfo
	// Message is the sender's tenant's, about the content.
	Message string
	// LeaseUntil is until when it can be opened again with the same claim, by the server's clock; each chunk that is fetched
	// extends it. ExpiresAt is the end in any case.
	LeaseUntil, ExpiresAt time.Time
	// ViewsLeft is how often it can be opened after this time.
	ViewsLeft int

	c           *caller
	auth, claim []byte
	keys        securesend.Keys
	header      securesend.Header
	context     [securesend.KeySize]byte
	progress    func(Progress)
}

// Open opens a send: from then on nobody else can. Fetch all files and then call [Content.Done], which burns it; where that
// does not happen within the lease, it is over as well, and the sender is told which files were not fetched.
//
// Errors are those of [securesend.Service.Take]; a wrong number, code or passphrase is a [*securesend.Refusal] that says how
// many tries are left. Besides there are [securesend.ErrLink], [securesend.ErrEnvelope] where the server hands out
// something else than what the sender sealed, and [ErrServer].
func Open(ctx context.Context, link string, o *OpenOptions) (*Content, error) {
	if o == nil {
		o = &OpenOptions{}
	}
	out, err := open(ctx, link, o)
	return out, wrap("open", err)
}

// recipient returns what opens a link.
func recipient(link string, o Options) (c *caller, fragment []byte, err error) {
	l, err := parse(link, securesend.LinkSend, securesend.LinkHeld)
	if err != nil {
		return nil, nil, err
	}
	fragment = l.Fragment.Reveal()
	if l.Kind == securesend.LinkHeld {
		if fragment, err = heldFragment(l); err != nil {
			return nil, nil, err
		}
	}
	c, err = o.caller(l, l.Kind)
	return c, fragment, err
}

func open(ctx context.Context, link string, o *OpenOptions) (*Content, error) {
	c, fragment, err := recipient(link, o.Options)
	if err != nil {
		return nil, err
	}
	take := wire.Take{Auth: securesend.Auth(fragment), Claim: o.Claim, Number: o.Number.Reveal(), Code: o.Code.Reveal()}
	switch len(take.Claim) {
	case 0:
		take.Claim = securesend.RandomKey()
	case securesend.KeySize:
	default:
		return nil, fmt.Errorf("the claim has %d bytes, it must have %d: %w", len(take.Claim), securesend.KeySize, securesend.ErrInvalid)
	}
	var opened wire.Opened
	if err := c.persist(ctx, "open", wire.Recipient{Auth: take.Auth}, &opened); err != nil {
		return nil, err
	}
	if securesend.State(opened.State).Final() {
		return nil, securesend.ErrEnded
	}
	var pass []byte
	if opened.Passphrase {
		if pass, err = passKey(opened, o.Passphrase.Reveal()); err != nil {
			return nil, err
		}
		take.Pass = securesend.PassAuth(pass, fragment)
	}
	if opened.Gate == string(securesend.GateProof) && o.Waiting != nil {
		if err := c.prove(ctx, take, o.Waiting); err != nil {
			return nil, err
		}
	}
	var taken wire.Taken
	if err := c.persist(ctx, "take", take, &taken); err != nil {
		return nil, err
	}
	out := &Content{c: c, auth: take.Auth, claim: take.Claim, progress: o.Progress}
	if err := out.unseal(fragment, pass, opened, taken); err != nil {
		return nil, err
	}
	return out, nil
}

// passKey derives the key of the passphrase, before the lease begins.
func passKey(opened wire.Opened, passphrase string) ([]byte, error) {
	if passphrase == "" {
		return nil, &securesend.Refusal{Err: securesend.ErrPassphrase, TriesLeft: opened.TriesLeft, PassTriesLeft: opened.PassphraseTriesLeft}
	}
	header, err := securesend.ParseHeader(opened.Header)
	if err != nil {
		return nil, err
	}
	if !header.Passphrase {
		return nil, fmt.Errorf("the server and the header differ about a passphrase: %w", securesend.ErrEnvelope)
	}
	return securesend.PassKey(passphrase, header.Salt)
}

// unseal opens what the server handed out.
func (c *Content) unseal(fragment, pass []byte, opened wire.Opened, taken wire.Taken) error {
	if len(taken.Context) != securesend.KeySize || len(taken.Half) != securesend.KeySize || !bytes.Equal(opened.Header, taken.Header) {
		return fmt.Errorf("what the server handed out does not fit together: %w", securesend.ErrEnvelope)
	}
	c.context = [securesend.KeySize]byte(taken.Context)
	var err error
	if c.header, err = securesend.ParseHeader(taken.Header); err != nil {
		return err
	}
	if c.keys, err = securesend.NewSendKeys(fragment, taken.Half, pass); err != nil {
		return err
	}
	m, err := c.keys.OpenManifest(c.context, c.header, taken.Manifest)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(m.Files, taken.Sizes, func(f securesend.FileInfo, size int64) bool { return f.Size == size }) {
		return fmt.Errorf("the files are not those that the sender sealed: %w", securesend.ErrEnvelope)
	}
	c.Text, c.Files, c.Message = mspkit.Redact(m.Text), m.Files, taken.Message
	c.LeaseUntil, c.ExpiresAt, c.ViewsLeft = taken.LeaseUntil, taken.ExpiresAt, taken.ViewsLeft
	return nil
}

// poll is how often the server is asked whether a verification is confirmed.
const poll = 2 * time.Second

// prove begins the verification that the sender wants and waits for it.
func (c *caller) prove(ctx context.Context, take wire.Take, waiting func(string)) error {
	last := ""
	for first := true; ; first = false {
		var g wire.Gate
		if err := c.persist(ctx, "verify", wire.Recipient{Auth: take.Auth, Claim: take.Claim}, &g); err != nil {
			if errors.Is(err, securesend.ErrUnsupported) {
				return nil // nothing to be begun: take says whether it is let through
			}
			return err
		}
		switch g.State {
		case securesend.GatePassed:
			return nil
		case securesend.GateRefused:
			return securesend.ErrGate
		}
		if first || g.Hint != last {
			waiting(g.Hint)
			last = g.Hint
		}
		t := time.NewTimer(min(poll, 8*c.pause))
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}

// Done says that everything arrived: the send is burnt, or this view of it ends. Call it once what is wanted has been read
// and kept. Repeating it is harmless.
func (c *Content) Done(ctx context.Context) error {
	var out wire.Empty
	return wrap("done", c.c.persist(ctx, "ack", wire.Recipient{Auth: c.auth, Claim: c.claim}, &out))
}

// SendCode has the code of a send sent that wants one; give it to [Open] then. A limit is a [*securesend.LimitError].
func SendCode(ctx context.Context, link string, o *Options) error {
	if o == nil {
		o = &Options{}
	}
	c, fragment, err := recipient(link, *o)
	if err != nil {
		return wrap("send code", err)
	}
	var out wire.Empty
	err = c.call(ctx, "code", wire.Recipient{Auth: securesend.Auth(fragment)}, &out) // once: each call sends a message
	if drop, ok := errors.AsType[*droppedError](err); ok && !errors.Is(err, ErrServer) {
		err = fmt.Errorf("%w: %w", ErrServer, drop.err)
	}
	return wrap("send code", err)
}
