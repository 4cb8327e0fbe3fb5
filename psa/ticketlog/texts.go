package ticketlog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
)

// Texts are the sentences and words of notes by their key. What is in braces is replaced, for example {subject}.
// [DefaultTexts] lists all keys; Options.Texts replaces some of them, for another language or other words.
//
// Keys "caller.KIND" are the events of package verify, "technician.KIND" those where a contact verifies a technician, which
// fall back to the former. Keys "send.KIND" and "request.KIND" are the events of package securesend. A third part names a
// special case. An empty text silences an event; that of an alert cannot be empty.
//
// Keys "channel.", "method.", "action." and "limit." name things by their id in the packages, and may be added. Where the
// id goes on after a colon, as with "reveal:" and the id of a send, a key that ends with ":*" names it.
type Texts map[string]string

// defaultTexts is English.
var defaultTexts = Texts{
	"title.caller":     "Caller verification",
	"title.technician": "Technician verification",
	"title.person":     "Verification",
	"title.send":       "Secure send",
	"title.request":    "Secure request",
	"title.data":       "Secure send, content",

	"caller.started":          "{technician} began to verify {subject} by {channel} ({method}) for {action}.",
	"caller.sent":             "The message went out by {channel}.",
	"caller.delivered":        "The message by {channel} was delivered.",
	"caller.undelivered":      "The message by {channel} was not delivered.",
	"caller.failed":           "Every try of the {method} was wrong.",
	"caller.renewed":          "{by} gave a new {method}.",
	"caller.confirmed":        "{subject} is verified for {action}. Assurance: {assurance}.",
	"caller.confirmed.how":    "{subject} is verified for {action}, {reason}. Assurance: {assurance}.",
	"caller.confirmed.but":    "{subject} confirmed {action}. Assurance: {assurance}. But {reason}.",
	"caller.denied":           "{subject} said: this is not me. Somebody may be posing as {subject}.",
	"caller.denial-hint":      `Somebody who has the link pressed "this is not me" (not confirmed).`,
	"caller.sign-in-refused":  "Somebody who has the link signed in, but it did not count.",
	"caller.mismatch":         "Other words than {technician} was given were heard. Somebody may be posing as the helpdesk.",
	"caller.expired":          "The verification expired without an answer.",
	"caller.cancelled":        "{by} cancelled the verification.",
	"caller.failed-over":      "{Channel} could not be used, so the next way that the policy allows is taken.",
	"caller.approved":         "{by} approved as second technician: {subject} is verified for {action}.",
	"caller.redeemed":         "The verification was used for {action}, once and for all.",
	"caller.frozen":           "{subject} is frozen: nobody can be verified as {subject}.",
	"caller.unfrozen":         "{by} unfroze {subject}.",
	"caller.locked":           "{subject} is locked after too many wrong answers in a row.",
	"caller.unlocked":         "{by} unlocked {subject}.",
	"caller.factor-link":      "A link was made by which {subject} sets up what they verify with.",
	"caller.factor-failed":    "Somebody with the link by which {subject} sets up what they verify with did not know the number. The link is dead.",
	"caller.factor-added":     "{subject} has an authenticator app for calls now.",
	"caller.factor-removed":   "{subject} has no authenticator app for calls any more.",
	"caller.recovery-renewed": "{subject} has new recovery codes.",
	"caller.recovery-used":    "{subject} used up a recovery code.",
	"caller.notice-failed":    "{subject} could not be told of a change to what they verify with.",
	"caller.limit-reached":    "A limit was reached for {subject}: {limit}.",

	"technician.started":        "{technician} offered {subject} a way to check who is calling.",
	"technician.started.public": "{subject} asked on the public page whether this call is real.",
	"technician.started.teams":  "{subject} asked who is calling.",
	"technician.confirmed":      "{subject} heard the right words: this is really {technician}.",
	"technician.mismatch":       "Other words than {technician} was given were typed behind {subject}'s link. Somebody may be posing as the helpdesk, or a mail scanner guessed.",
	"technician.mismatch.teams": "{subject} typed other words than {technician} was given. Somebody may be posing as the helpdesk.",
	"technician.expired":        "The link to check who is calling expired.",

	"send.created":           "Send {id}: {technician} has something for {subject}.",
	"send.uploaded":          "Send {id}: the content is complete, it can be opened.",
	"send.sent":              "Send {id}: the link went out by {channel}.",
	"send.unsent":            "Send {id}: the message by {channel} could not be sent.",
	"send.opened":            "Send {id}: the page was opened, by a person or a program. Nothing was revealed by that.",
	"send.code-sent":         "Send {id}: a code was asked for and went out by {channel}.",
	"send.refused":           "Send {id}: a wrong {method} was typed ({refusals} so far).",
	"send.locked":            "Send {id}: every try of the {method} was wrong, so it is locked. A new number opens it again.",
	"send.renewed":           "Send {id}: {by} has a new number to say.",
	"send.revealed":          "Send {id}: it was revealed.",
	"send.revealed.views":    "Send {id}: it was revealed, view {view} of {views}.",
	"send.acknowledged":      "Send {id}: it has arrived{files}.",
	"send.acknowledged.done": "Send {id}: it has arrived{files}. It is burnt, nobody can open it again.",
	"send.lapsed":            "Send {id}: it was revealed, and nobody said that it arrived{files}.",
	"send.expired":           "Send {id}: nobody opened it in time. It is destroyed.",
	"send.revoked":           "Send {id}: {by} took it back. It is destroyed.",
	"send.revoked.why":       "Send {id}: {by} took it back ({reason}). It is destroyed.",
	"send.revoked.system":    "Send {id}: it was taken back: {reason}.",

	"request.created":           "Request {id}: {technician} asks {subject} for something in confidence.",
	"request.uploaded":          "Request {id}: {subject} has answered. {technician} can receive it once.",
	"request.sent":              "Request {id}: the link went out by {channel}.",
	"request.unsent":            "Request {id}: the message by {channel} could not be sent.",
	"request.opened":            "Request {id}: somebody with the link and the number has begun to answer.",
	"request.code-sent":         "Request {id}: a code was asked for and went out by {channel}.",
	"request.refused":           "Request {id}: a wrong {method} was typed ({refusals} so far).",
	"request.locked":            "Request {id}: every try of the {method} was wrong, so it is locked. A new number opens it again.",
	"request.renewed":           "Request {id}: {by} has a new number to say.",
	"request.revealed":          "Request {id}: the answer was handed to {technician}.",
	"request.revealed.views":    "Request {id}: the answer was handed to {technician}, view {view} of {views}.",
	"request.acknowledged":      "Request {id}: the answer has arrived{files}.",
	"request.acknowledged.done": "Request {id}: the answer has arrived{files}. It is burnt, nobody can open it again.",
	"request.lapsed":            "Request {id}: the answer was handed out, and nobody said that it arrived{files}.",
	"request.expired":           "Request {id}: it was over before the answer was received. It is destroyed.",
	"request.revoked":           "Request {id}: {by} took it back. It is destroyed.",
	"request.revoked.why":       "Request {id}: {by} took it back ({reason}). It is destroyed.",
	"request.revoked.system":    "Request {id}: it was taken back: {reason}.",

	// These follow a sentence, or stand in one.
	"reason":     " Reason: {reason}.",
	"evidence":   " Evidence: {evidence}.",
	"files":      "; not fetched: file {numbers}",
	"subject":    "the contact",
	"technician": "a technician",
	"system":     "the system",
	"data":       "{technician} sent this, and the settings keep it here:",
	"data.files": "Files, which are not kept: {names}.",
	"ticket":     "What happened belongs to no ticket yet, so it has this one. The notes say what it is.",

	"channel.email": "e-mail",
	"channel.sms":   "text message",
	"channel.teams": "Teams",

	"method.number":     "number",
	"method.code":       "code",
	"method.totp":       "code of the authenticator app",
	"method.word":       "words",
	"method.passphrase": "passphrase",

	"action.identify":       "identification",
	"action.unlock-account": "unlocking an account",
	"action.reset-password": "a password reset",
	"action.reset-mfa":      "a reset of the multi-factor sign-in",
	"action.change-contact": "a change of the contact details",
	"action.enrol-totp":     "a new authenticator app",
	"action.remove-totp":    "removing the authenticator app",
	"action.recovery-totp":  "new recovery codes",
	"action.reveal":         "opening what was sent",
	"action.reveal:*":       "opening what was sent",
}

// DefaultTexts returns a copy of the English texts.
func DefaultTexts() Texts { return maps.Clone(defaultTexts) }

// placeholders are what may stand in braces in the texts of a group.
var placeholders = map[string][]string{
	"caller":     {"technician", "subject", "by", "channel", "Channel", "method", "action", "assurance", "reason", "limit"},
	"technician": {"technician", "subject", "by", "channel", "Channel", "method", "action", "assurance", "reason", "limit"},
	"send":       {"id", "technician", "subject", "by", "channel", "Channel", "method", "refusals", "view", "views", "files", "reason"},
	"request":    {"id", "technician", "subject", "by", "channel", "Channel", "method", "refusals", "view", "views", "files", "reason"},
	"reason":     {"reason"},
	"evidence":   {"evidence"},
	"files":      {"numbers"},
	"data":       {"technician", "names"},
}

// open are the groups of which hosts may have keys of their own.
var open = []string{"channel", "method", "action", "limit"}

var braces = regexp.MustCompile(`\{[^{}]*\}`)

// merge returns the defaults with t on top of them, and everything that is wrong with t.
func (t Texts) merge() (Texts, []error) {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("the text %q %s: %w", key, fmt.Sprintf(format, args...), mspkit.ErrInvalid))
	}
	out := DefaultTexts()
	for _, key := range slices.Sorted(maps.Keys(t)) {
		text := t[key]
		group, rest, _ := strings.Cut(key, ".")
		kind, _, _ := strings.Cut(rest, ".")
		_, known := defaultTexts[key]
		if !known && group == "technician" {
			_, known = defaultTexts["caller."+rest]
		}
		switch {
		case !known && (!slices.Contains(open, group) || rest == ""):
			bad(key, "belongs to nothing")
		case text == "" && (group == "title" || alerting(group, kind)):
			bad(key, "is empty: a title and an alert need words")
		}
		for _, p := range braces.FindAllString(text, -1) {
			if !slices.Contains(placeholders[group], p[1:len(p)-1]) {
				bad(key, "has %s, which nothing replaces", p)
			}
		}
		out[key] = text
	}
	return out, errs
}

// sentence returns the first text that there is, the special case before the usual one.
func (t Texts) sentence(group, kind, special string) string {
	groups := []string{group}
	if group == groupTechnician {
		groups = append(groups, groupCaller)
	}
	for _, g := range groups {
		for _, key := range []string{g + "." + kind + "." + special, g + "." + kind} {
			if text, ok := t[key]; ok {
				return text
			}
		}
	}
	return ""
}

// word names a thing of a group, in its own id where there is no better word.
func (t Texts) word(group, id string) string {
	if w := t[group+"."+id]; w != "" {
		return w
	}
	if head, _, ok := strings.Cut(id, ":"); ok {
		if w := t[group+"."+head+":*"]; w != "" {
			return w
		}
	}
	return plain(id, maxWord, codeDigits)
}

// fill puts values into the braces of a text, each once: what a value holds is not looked at again.
func fill(text string, values map[string]string) string {
	return braces.ReplaceAllStringFunc(text, func(p string) string {
		if v, ok := values[p[1:len(p)-1]]; ok {
			return v
		}
		return p
	})
}
