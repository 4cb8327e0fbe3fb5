package sendvia

import (
	"context"
	"regexp"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// TextSender sends one text message; to is in E.164 form. It is what package smschannel asks for, so that what serves there
// serves here.
type TextSender interface {
	SendText(ctx context.Context, to, body, key string) (id string, err error)
}

// TextOptions are the optional parts of [Text].
type TextOptions struct {
	// Canonical returns an address in E.164 form, or why nothing may be sent there; smschannel's Channel has one that knows
	// countries and premium-rate numbers. Nil takes what is in E.164 form already.
	Canonical func(address string) (string, error)
}

// TextMessages is a [securesend.Sender] of text messages.
type TextMessages struct {
	to        TextSender
	canonical func(string) (string, error)
}

var _ securesend.Sender = (*TextMessages)(nil)

// Text returns a sender by s, which is required.
func Text(s TextSender, o *TextOptions) (*TextMessages, error) {
	if s == nil {
		return nil, missing("a text sender")
	}
	t := &TextMessages{to: s, canonical: e164}
	if o != nil && o.Canonical != nil {
		t.canonical = o.Canonical
	}
	return t, nil
}

var e164Syntax = regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`)

func e164(address string) (string, error) {
	if !e164Syntax.MatchString(address) {
		return "", mspkit.ErrInvalid
	}
	return address, nil
}

// Send implements [securesend.Sender].
func (t *TextMessages) Send(ctx context.Context, m securesend.Message) error {
	to, err := t.canonical(m.To)
	if err != nil {
		return fail(err)
	}
	_, err = t.to.SendText(ctx, to, m.Text.Reveal(), m.Key)
	return fail(err)
}
