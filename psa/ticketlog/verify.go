package ticketlog

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/verify"
)

// Verify returns the recorder for verify.Options.Recorder.
func (l *Log) Verify() verify.Recorder { return verify.RecorderFunc(l.verified) }

func (l *Log) verified(ctx context.Context, e verify.Event) error {
	d, known := verifyKinds[e.Kind]
	if !known || d.when == never {
		return nil
	}
	set, err := l.settings(ctx, e.Tenant)
	if err != nil || !set.Detail.notes(d.when) {
		return err
	}
	group := groupCaller
	switch {
	case e.Verifies == verify.KindTechnician:
		group = groupTechnician
	case e.Challenge == "":
		group = groupPerson
	}
	text := l.texts.sentence(sentences(group), string(e.Kind), special(e))
	if text == "" {
		return nil
	}
	p, err := l.person(ctx, e.Tenant, e.Subject)
	if err != nil {
		return err
	}
	values, err := l.verifyValues(ctx, e, p.Name)
	if err != nil {
		return err
	}
	// A confirmation with a reason tells of a recovery code, or that a second technician must approve.
	public := set.Visibility == psa.Public && d.public && (e.Kind != verify.EventConfirmed || e.Reason == "")
	text = fill(text, values)
	if !public && explained(e) {
		text += fill(l.texts["reason"], values)
	}
	if a, ok := e.Link.Anchor(); ok && set.Evidence {
		text += fill(l.texts["evidence"], map[string]string{"evidence": strconv.FormatInt(a.N, 10) + ":" + hex.EncodeToString(a.Hash[:len(a.Hash)/2])})
	}
	return l.write(ctx, entry{
		tenant: e.Tenant, id: e.ID, kind: string(e.Kind), at: e.At, ticket: e.Ticket, subject: e.Subject, group: group, story: e.Challenge,
		alert: e.Kind.Alert(), public: public, text: text,
	}, p.Ticket, set.NoTicket)
}

// sentences returns in which group the sentences of a group are.
func sentences(group string) string {
	if group == groupPerson {
		return groupCaller
	}
	return group
}

// special names the case of an event for which there is a sentence of its own.
func special(e verify.Event) string {
	teams := e.Channel == "teams"
	switch {
	case e.Kind == verify.EventConfirmed && e.Verifies != verify.KindTechnician && strings.Contains(e.Reason, "must approve"):
		return "but"
	case e.Kind == verify.EventConfirmed && e.Verifies != verify.KindTechnician && e.Reason != "":
		return "how"
	case e.Kind == verify.EventStarted && e.By == verify.ByCaller && !teams:
		return "public"
	case e.Kind == verify.EventStarted && e.By == verify.ByCaller, e.Kind == verify.EventMismatch && teams:
		return "teams"
	}
	return ""
}

// explained reports whether the reason of e is one that a technician or a channel gave and the sentence does not have.
func explained(e verify.Event) bool {
	switch {
	case e.Reason == "", e.Kind == verify.EventStarted, e.Kind == verify.EventConfirmed:
		return false
	case e.Kind == verify.EventUndelivered, e.Kind == verify.EventNoticeFailed, e.Kind == verify.EventSignInRefused:
		return true
	}
	return byTechnician(e.By)
}

func byTechnician(by string) bool {
	return by != "" && by != verify.ByCaller && by != verify.ByChannel && by != verify.BySystem
}

func (l *Log) verifyValues(ctx context.Context, e verify.Event, name string) (map[string]string, error) {
	tech, err := l.technician(ctx, e.Tenant, e.Technician)
	if err != nil {
		return nil, err
	}
	by := l.texts["system"]
	switch {
	case e.By == verify.ByCaller:
		by = name
	case e.By == e.Technician && e.By != "":
		by = tech
	case byTechnician(e.By):
		if by, err = l.technician(ctx, e.Tenant, e.By); err != nil {
			return nil, err
		}
	}
	channel := l.texts.word("channel", e.Channel)
	return map[string]string{
		"subject": name, "technician": tech, "by": by, "channel": channel, "Channel": capital(channel),
		"method": l.texts.word("method", string(e.Method)), "action": l.texts.word("action", string(e.Action)), "assurance": e.Assurance.String(),
		"reason": plain(e.Reason, maxReason, codeDigits), "limit": l.texts.word("limit", e.Reason),
	}, nil
}

func capital(s string) string {
	for i, r := range s {
		return strings.ToUpper(string(r)) + s[i+len(string(r)):]
	}
	return s
}
