package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit/internal/langtag"
)

// Action is what the caller wants done, for example "reset-password". A proof is good for one action only.
type Action string

// The actions of [DefaultPolicy]. Hosts add their own.
const (
	ActionIdentify      Action = "identify"
	ActionUnlock        Action = "unlock-account"
	ActionResetPassword Action = "reset-password"
	ActionResetMFA      Action = "reset-mfa"
	ActionChangeContact Action = "change-contact"
	// The next three are what package verify/totp asks proofs for.
	ActionEnrolTOTP    Action = "enrol-totp"
	ActionRemoveTOTP   Action = "remove-totp"
	ActionRecoveryTOTP Action = "recovery-totp"
	// ActionReveal opens what package securesend keeps; securesend/verifiedreveal asks for "reveal:" and the id of the send.
	ActionReveal Action = "reveal"
)

// Assurance ranks how sure a confirmed verification makes us. Higher is surer; the gaps leave room. It follows
// NIST SP 800-63B-4: e-mail is no authenticator of its own, text messages are restricted, and what is compared
// by number match ranks above the same channel with a code that is read aloud.
type Assurance int

// The levels. A channel states the level that number match reaches on it; a code reaches one level less.
const (
	AssuranceNone      Assurance = 0
	AssuranceUnproven  Assurance = 5 // a destination that was typed by hand or changed lately
	AssuranceEmailCode Assurance = 10
	AssuranceEmail     Assurance = 20
	AssuranceSMSCode   Assurance = 30
	AssuranceSMS       Assurance = 40
	AssuranceTeamsCode Assurance = 50
	// AssuranceTOTP is a code of an authenticator app. It shows possession of one device, whoever has the account, and
	// is no text message, which NIST restricts; but it is read aloud and says not what for, so that a caller can relay it.
	AssuranceTOTP  Assurance = 55
	AssuranceTeams Assurance = 60
	// AssuranceSignIn is number match by somebody who has just signed in to their own tenant of Microsoft 365.
	AssuranceSignIn Assurance = 70
	// AssuranceStrong is that where the sign-in also proved what the tenant demands of an authentication context, such as
	// multi-factor authentication that cannot be phished.
	AssuranceStrong Assurance = 80
)

// String names the level by the way that reaches it.
func (a Assurance) String() string {
	switch {
	case a >= AssuranceStrong:
		return "strong sign-in"
	case a >= AssuranceSignIn:
		return "sign-in"
	case a >= AssuranceTeams:
		return "Teams with number match"
	case a >= AssuranceTOTP:
		return "authenticator app"
	case a >= AssuranceTeamsCode:
		return "Teams code"
	case a >= AssuranceSMS:
		return "text message with number match"
	case a >= AssuranceSMSCode:
		return "text message code"
	case a >= AssuranceEmail:
		return "e-mail with number match"
	case a >= AssuranceEmailCode:
		return "e-mail code"
	case a >= AssuranceUnproven:
		return "unproven address"
	default:
		return "none"
	}
}

// below returns the level that a code reaches where number match reaches a.
func (a Assurance) below() Assurance { return max(a-10, AssuranceUnproven) }

// Method is how the caller answers.
type Method string

const (
	// MethodNumber is number match: the technician says three digits, the caller types them on the page or
	// card that was sent to the address on record.
	MethodNumber Method = "number"
	// MethodCode is a code sent to the caller, who reads it to the technician.
	MethodCode Method = "code"
	// MethodTOTP is a code of the caller's authenticator app, or one of their recovery codes, which they read to the
	// technician. Nothing is sent; see [Checker].
	MethodTOTP Method = "totp"
	// MethodWord is used when the caller verifies the technician: the caller types the words they hear.
	MethodWord Method = "word"
)

// Way is one allowed combination of channel and method.
type Way struct {
	Channel string
	Method  Method
}

// Rule says what one action needs.
type Rule struct {
	// Min is the least assurance. Zero means [AssuranceEmail]; to accept an address that was typed by hand,
	// [AssuranceUnproven] must be asked for.
	Min Assurance
	// Ways are the allowed ways, the preferred first. Empty allows every registered channel, number match
	// before an authenticator app before a code, in the order of the subject's destinations.
	Ways []Way
	// Words names the action to the caller, by locale: {"en": "reset your password"}. "en" is required.
	Words map[string]string
}

// Policy is a tenant's table from action to what it needs. An action may name what it is for after a colon, such as
// "reveal:42": where it is not listed itself, the rule of "reveal" counts. Any other action that is not listed is refused. A
// proof is good for the whole action only.
type Policy map[Action]Rule

// DefaultPolicy needs e-mail with number match to identify somebody, a text message to unlock an account, a
// text message with number match to reset a password, and Teams with number match or better for what hands
// over an account for good.
func DefaultPolicy() Policy {
	return Policy{
		ActionIdentify:      {Min: AssuranceEmail, Words: map[string]string{"en": "confirm who you are", "de": "Ihre Identität bestätigen"}},
		ActionUnlock:        {Min: AssuranceSMSCode, Words: map[string]string{"en": "unlock your account", "de": "Ihr Konto entsperren"}},
		ActionResetPassword: {Min: AssuranceSMS, Words: map[string]string{"en": "reset your password", "de": "Ihr Kennwort zurücksetzen"}},
		ActionResetMFA:      {Min: AssuranceTeams, Words: map[string]string{"en": "reset your multi-factor sign-in", "de": "Ihre Mehr-Faktor-Anmeldung zurücksetzen"}},
		ActionChangeContact: {Min: AssuranceTeams, Words: map[string]string{"en": "change your phone number or e-mail address on record", "de": "Ihre hinterlegte Telefonnummer oder E-Mail-Adresse ändern"}},
		ActionEnrolTOTP:     {Min: AssuranceTeams, Words: map[string]string{"en": "set up an authenticator app for calls to us", "de": "eine Authenticator-App für Anrufe bei uns einrichten"}},
		ActionRemoveTOTP:    {Min: AssuranceTeams, Words: map[string]string{"en": "remove your authenticator app for calls to us", "de": "Ihre Authenticator-App für Anrufe bei uns entfernen"}},
		ActionRecoveryTOTP:  {Min: AssuranceTeams, Words: map[string]string{"en": "get new recovery codes for calls to us", "de": "neue Wiederherstellungscodes für Anrufe bei uns erhalten"}},
		ActionReveal:        {Min: AssuranceSMSCode, Words: map[string]string{"en": "open what we have sent you", "de": "öffnen, was wir Ihnen gesendet haben"}},
	}
}

// rule returns the rule of an action with its least assurance filled in, or a [*PolicyError].
func (p Policy) rule(a Action) (Rule, error) {
	r, ok := p[a]
	if !ok {
		kind, _, _ := strings.Cut(string(a), ":")
		r, ok = p[Action(kind)]
	}
	if !ok {
		return r, &PolicyError{Action: a, Reason: fmt.Sprintf("the action %q is not in the policy of this tenant", a)}
	}
	if r.Min == AssuranceNone {
		r.Min = AssuranceEmail
	}
	return r, nil
}

func (p Policy) validate() error {
	var errs []error
	for action, rule := range p {
		if action == "" || len(action) > 64 {
			errs = append(errs, fmt.Errorf("policy: action %q must have 1 to 64 characters: %w", action, ErrInvalid))
		}
		if rule.Words["en"] == "" {
			errs = append(errs, fmt.Errorf("policy: action %q has no words for locale en: %w", action, ErrInvalid))
		}
		for _, w := range rule.Ways {
			if w.Method != MethodNumber && w.Method != MethodCode && w.Method != MethodTOTP {
				errs = append(errs, fmt.Errorf("policy: action %q allows the unknown method %q: %w", action, w.Method, ErrInvalid))
			}
		}
	}
	return errors.Join(errs...)
}

func (r Rule) words(locale string) string { return byLocale(r.Words, locale) }

// byLocale finds de-AT, then de, then en.
func byLocale[T any](m map[string]T, locale string) T {
	for tag := range langtag.Fallbacks(locale) {
		if v, ok := m[tag]; ok {
			return v
		}
	}
	return m["en"]
}
