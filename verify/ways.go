package verify

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// pick is one way to one address, with everything that is needed to use it.
type pick struct {
	way     Way
	channel Channel
	address string // canonical
	// full is what the way reaches, assurance what is left of it for this address.
	full, assurance Assurance
	since           time.Time // when the subject was enrolled, for a [Checker]
	// doubt says why less is left, as a sentence such as "the phone number was typed by hand". Empty where nothing is lost.
	doubt string
}

// verdict is a way, judged.
type verdict struct {
	pick
	// reason says why it is not allowed, in one sentence for the technician. Empty where it is.
	reason string
	kind   refusal
	fault  error // where it is unusable or unknown
}

// refusal is the kind of a reason.
type refusal int

const (
	allowed      refusal = iota
	absent               // no channel or no address
	unlisted             // the policy lists other ways
	insufficient         // what it proves is too little
	unusable             // the address cannot be used
	unenrolled           // the person has nothing that makes answers for a [Checker]
	unknown              // a [Checker] could not say whether they have
)

// methods are the ways to answer on a channel, the better first. A [Checker] has MethodTOTP, all others the rest.
var methods = []Method{MethodNumber, MethodTOTP, MethodCode}

// judge yields every way that the request asks for, in the order in which Start takes them, and after those that the
// policy lists the ones that it does not. Start and Explain both go by it; all their sentences are made here.
func (s *Service) judge(set Settings, rule Rule, r StartRequest, now time.Time) iter.Seq[verdict] {
	return func(yield func(verdict) bool) {
		listed := rule.Ways
		if len(listed) == 0 {
			listed = s.combine(append(channelsOf(r.Subject), s.checkers()...))
		}
		// Besides, for the explanation alone: what the policy, the subject or the service lacks.
		all := append(slices.Clone(listed), s.combine(append(channelsOf(r.Subject), slices.Sorted(maps.Keys(s.o.Channels))...))...)
		for i, w := range all {
			if slices.Contains(all[:i], w) || (r.Channel != "" && w.Channel != r.Channel) || (r.Method != "" && w.Method != r.Method) {
				continue
			}
			for _, v := range s.weigh(set, rule, r, w, i < len(listed), now) {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// channelsOf returns the channels of a subject in the order of its addresses.
func channelsOf(u Subject) []string {
	out := make([]string, 0, len(u.Destinations))
	for _, d := range u.Destinations {
		out = append(out, d.Channel)
	}
	return out
}

func (s *Service) combine(channels []string) []Way {
	out := make([]Way, 0, len(methods)*len(channels))
	for _, m := range methods {
		for _, ch := range channels {
			if s.answeredBy(ch, m) {
				out = append(out, Way{ch, m})
			}
		}
	}
	return out
}

// weigh judges one way to each address that the subject has for it.
func (s *Service) weigh(set Settings, rule Rule, r StartRequest, w Way, listed bool, now time.Time) []verdict {
	p := pick{way: w, channel: s.o.Channels[w.Channel], full: AssuranceUnproven}
	if p.channel == nil {
		return []verdict{p.refused(absent, "the channel %q is not registered", w.Channel)}
	}
	if !s.answeredBy(w.Channel, w.Method) {
		return []verdict{p.refused(absent, "the channel %q is not answered by %s", w.Channel, w.Method)}
	}
	if a, ok := p.channel.(Assured); ok {
		p.full = a.Assurance()
	}
	if w.Method == MethodCode {
		p.full = p.full.below()
	}
	p.assurance = p.full
	if s.checks(w.Channel) {
		return []verdict{p.judged(set.Freshness, rule, Destination{Channel: w.Channel, Address: r.Subject.ID}, listed, now)}
	}
	var out []verdict
	for _, d := range r.Subject.Destinations {
		if d.Channel == w.Channel {
			out = append(out, p.judged(set.Freshness, rule, d, listed, now))
		}
	}
	if len(out) == 0 {
		out = append(out, p.refused(absent, "no %s is on record", w.noun()))
	}
	return out
}

func (p pick) judged(f Freshness, rule Rule, d Destination, listed bool, now time.Time) verdict {
	var fault error
	if p.address, fault = canonical(p.channel, d.Address); fault != nil {
		p.address = ""
	}
	if why := f.fresh(d, now); why != "" && p.way.Method != MethodTOTP { // see enrolled
		p = p.doubted(why)
	}
	lack := p.lacks(f, rule)
	switch {
	case !listed:
		return p.refused(unlisted, "the policy does not list %s for “%s”", p.way.words(), rule.words("en"))
	case lack != "":
		return p.refused(insufficient, "%s", lack)
	case fault != nil:
		v := p.refused(unusable, "the %s cannot be used: %s", p.way.noun(), strings.TrimSuffix(fault.Error(), ": "+mspkit.ErrInvalid.Error()))
		v.fault = fmt.Errorf("the %s cannot be used: %w", p.way.noun(), fault)
		return v
	}
	return verdict{pick: p}
}

func (p pick) refused(kind refusal, format string, args ...any) verdict {
	return verdict{pick: p, reason: fmt.Sprintf(format, args...), kind: kind}
}

// doubted returns p for an address that is worth little because it "was typed by hand" or the like.
func (p pick) doubted(why string) pick {
	p.assurance, p.doubt = min(p.assurance, AssuranceUnproven), "the "+p.way.noun()+" "+why
	return p
}

// lacks returns why p is not enough for rule, or "".
func (p pick) lacks(f Freshness, rule Rule) string {
	switch {
	case p.doubt != "" && f.Refuse:
		return p.doubt
	case p.assurance >= rule.Min:
		return ""
	}
	less := p.full.String() + " is less"
	if p.full >= rule.Min {
		less = p.doubt + ", so that it proves next to nothing"
	}
	return fmt.Sprintf("needs %s or better, because the action is “%s”; %s", rule.Min, rule.words("en"), less)
}

// choose returns the ways that are allowed, the preferred first, and between them those that are refused. What must be
// asked about an address or a person is found out when its turn comes; see [picker].
func (s *Service) choose(set Settings, rule Rule, r StartRequest, now time.Time) ([]verdict, error) {
	var ways []verdict
	some := false
	for v := range s.judge(set, rule, r, now) {
		if some && v.kind == unlisted {
			break // the rest is for the explanation
		}
		some = some || v.kind == allowed
		ways = append(ways, v)
	}
	if !some {
		_, err := refusalOf(r.Action, rule, r.Channel, ways)
		return nil, err
	}
	return ways, nil
}

// refusalOf returns the sentence and the error where every way was refused. An address that would do if it were
// written otherwise is told first, then what could not be found out, then the way that comes nearest, then, where a channel
// was asked for, that the policy does not list it, then what is not set up.
func refusalOf(action Action, rule Rule, channel string, refused []verdict) (reason string, err error) {
	var near, other, failed, missing *verdict
	for i, v := range refused {
		switch {
		case v.kind == unusable:
			return v.reason, invalid(v.fault)
		case v.kind == unknown && failed == nil:
			failed = &refused[i]
		case v.kind == unenrolled && missing == nil:
			missing = &refused[i]
		case v.kind == insufficient && (near == nil || v.full > near.full):
			near = &refused[i]
		case v.kind == unlisted && other == nil && channel != "":
			other = &refused[i]
		}
	}
	if failed != nil {
		return failed.reason, fmt.Errorf("%s: %w", failed.reason, failed.fault)
	}
	if near = cmp.Or(near, other); near != nil {
		return near.reason, &PolicyError{Action: action, Need: rule.Min, Have: near.assurance, Reason: near.reason}
	}
	if missing != nil {
		return missing.reason, fmt.Errorf("%s: %w", missing.reason, ErrNoChannel)
	}
	const none = "the subject has no address for an allowed and registered channel"
	return none, fmt.Errorf("%s: %w", none, ErrNoChannel)
}

// noun names what stands on record for a way. Hosts name their channels as they like; these are the usual names.
func (w Way) noun() string {
	if w.Method == MethodTOTP {
		return "authenticator app"
	}
	switch w.Channel {
	case "email":
		return "e-mail address"
	case "sms":
		return "phone number"
	case "teams":
		return "Teams account"
	case "signin", "signin-strong":
		return "Microsoft 365 account"
	}
	return w.Channel + " address"
}

func (w Way) words() string {
	switch w.Method {
	case MethodTOTP:
		return w.Channel
	case MethodNumber:
		return w.Channel + " by number match"
	default:
		return w.Channel + " by " + string(w.Method)
	}
}
