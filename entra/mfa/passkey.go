package mfa

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

// passkey is one that is enrolled.
type passkey struct {
	ID    []byte    `json:"i"`
	Key   []byte    `json:"k"` // public, as COSE has it
	Name  string    `json:"n,omitempty"`
	Since time.Time `json:"t"`
	Used  time.Time `json:"u"`
	// Count is its counter when it was used last, Eligible whether it may be copied between devices, which never changes.
	Count      uint32   `json:"c,omitempty"`
	Eligible   bool     `json:"e,omitempty"`
	BackedUp   bool     `json:"b,omitempty"`
	Format     string   `json:"f,omitempty"` // of its attestation
	Transports []string `json:"r,omitempty"`
}

// The ceremonies are part of what seals a challenge.
const (
	ceremonyCreate = "create"
	ceremonyGet    = "get"
)

const (
	// maxAnswer is the longest answer of a browser, maxChallenge the longest sealed challenge, in bytes.
	maxAnswer    = 32 << 10
	maxChallenge = 24 << 10
	// maxKey is the longest public key, which is more than RSA with 4096 bits needs, maxCredentialID the longest id that there is
	// (https://www.w3.org/TR/webauthn-3/#credential-id).
	maxKey          = 1 << 10
	maxCredentialID = 1023
	// maxTransports is how many are kept of what a browser says of them.
	maxTransports = 8
)

// challenge is what a page carries sealed, so that nothing is stored before it is answered and a restart in between does not
// matter. It opens only for the same person, session and ceremony.
type challenge struct {
	Data  webauthn.SessionData `json:"d"`
	Gen   int64                `json:"g"`
	Until time.Time            `json:"u"`
}

// ceremony is what a page needs for one: options for the browser, as JSON, and the sealed challenge.
type ceremony struct{ Options, Challenge string }

// person is somebody as WebAuthn has them.
type person struct {
	u    *entra.User
	keys []webauthn.Credential
}

var _ webauthn.User = (*person)(nil)

func personOf(u *entra.User, st *state) *person {
	p := &person{u: u}
	for _, k := range st.Keys {
		c := webauthn.Credential{
			ID: k.ID, PublicKey: k.Key, AttestationFormat: k.Format,
			Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: k.Eligible, BackupState: k.BackedUp},
			Authenticator: webauthn.Authenticator{SignCount: k.Count},
		}
		for _, t := range k.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		p.keys = append(p.keys, c)
	}
	return p
}

// WebAuthnID returns the user handle: a hash, because it must say nothing about the person, and the same one at every time, so
// that an authenticator keeps one passkey for each account
// (https://www.w3.org/TR/webauthn-3/#sctn-user-handle-privacy).
func (p *person) WebAuthnID() []byte {
	h := sha256.New()
	for _, part := range []string{"mspkit/entra/mfa user handle", p.u.Owner, p.u.ID} {
		_ = binary.Write(h, binary.BigEndian, uint32(len(part)))
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// WebAuthnName returns what authenticators show.
func (p *person) WebAuthnName() string {
	if n := cleantext.Line(p.u.Name, maxDisplayName); n != "" {
		return n
	}
	return cleantext.Line(p.u.ID, maxDisplayName)
}

// WebAuthnDisplayName returns the same.
func (p *person) WebAuthnDisplayName() string { return p.WebAuthnName() }

// WebAuthnCredentials returns the passkeys.
func (p *person) WebAuthnCredentials() []webauthn.Credential { return p.keys }

// askCreate begins the enrolment of a passkey.
func (s *Service) askCreate(u *entra.User, st *state) (ceremony, error) {
	if err := st.mayChange(u, s.o.Now(), s.o.Fresh); err != nil {
		return ceremony{}, err
	}
	if len(st.Keys) >= MaxPasskeys {
		return ceremony{}, refusal(ReasonFull)
	}
	p := personOf(u, st)
	options, data, err := s.web.BeginRegistration(
		p,
		webauthn.WithExclusions(webauthn.Credentials(p.keys).CredentialDescriptors()),
		webauthn.WithCredentialParameters(webauthn.CredentialParametersRecommendedL3()),
	)
	if err != nil {
		return ceremony{}, err
	}
	options.Response.Timeout = int(s.o.TTL / time.Millisecond)
	return s.sealChallenge(u, st, ceremonyCreate, options.Response, data)
}

// askGet begins a challenge. Whoever has no passkey gets none.
func (s *Service) askGet(u *entra.User, st *state) (ceremony, error) {
	if len(st.Keys) == 0 {
		return ceremony{}, nil
	}
	options, data, err := s.web.BeginLogin(personOf(u, st))
	if err != nil {
		return ceremony{}, err
	}
	options.Response.Timeout = int(s.o.TTL / time.Millisecond)
	return s.sealChallenge(u, st, ceremonyGet, options.Response, data)
}

func (s *Service) sealChallenge(u *entra.User, st *state, kind string, options any, data *webauthn.SessionData) (ceremony, error) {
	forBrowser, err := json.Marshal(options)
	if err != nil {
		return ceremony{}, err
	}
	raw, err := json.Marshal(challenge{Data: *data, Gen: st.Gen, Until: s.o.Now().Add(s.o.TTL)})
	if err != nil {
		return ceremony{}, err
	}
	sealed := s.challenges.Seal(raw, u.Owner, u.ID, u.Session, kind)
	return ceremony{Options: string(forBrowser), Challenge: base64.RawURLEncoding.EncodeToString(sealed)}, nil
}

func (s *Service) openChallenge(u *entra.User, kind, text string, now time.Time) (challenge, error) {
	var c challenge
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) > maxChallenge {
		return c, refusal(ReasonChallenge)
	}
	raw, err := s.challenges.Open(sealed, u.Owner, u.ID, u.Session, kind)
	switch {
	case err != nil || json.Unmarshal(raw, &c) != nil:
		return c, refusal(ReasonChallenge)
	case !now.Before(c.Until):
		return c, refusal(ReasonExpired)
	}
	return c, nil
}

// use takes the challenge, which is stored whatever comes of it.
func (c *challenge) use(st *state, now time.Time) error {
	if c.Gen != st.Gen {
		return refusal(ReasonChallenge)
	}
	return st.answer(c.Data.Challenge, c.Until, now)
}

// register takes what the browser made of askCreate. shown and given are as with confirmApp.
func (s *Service) register(ctx context.Context, u *entra.User, text, answer, name string, shown token.Secret) (given bool, err error) {
	now := s.o.Now()
	c, err := s.openChallenge(u, ceremonyCreate, text, now)
	if err != nil {
		return false, s.refused(ctx, u, now, err)
	}
	parsed, err := parseCreated(answer)
	if err != nil {
		return false, s.refused(ctx, u, now, err)
	}
	var why error
	err = s.change(ctx, u, now, func(st *state) (bool, error) {
		given = false
		if err := c.use(st, now); err != nil {
			return false, err
		}
		var made *webauthn.Credential
		if made, why = s.created(u, st, c, parsed); made == nil {
			return true, nil // the challenge is used up
		}
		st.right()
		st.Keys = append(st.Keys, passkeyOf(made, cleantext.Line(name, maxDisplayName), now))
		st.changed()
		var err error
		given, err = s.firstCodes(st, u, shown, now)
		return true, err
	})
	if err == nil {
		err = why
	}
	if err == nil {
		s.audit(ctx, u, now, entra.EventFactorEnrolled, string(KindPasskey))
	}
	return given, s.refused(ctx, u, now, err)
}

func passkeyOf(made *webauthn.Credential, name string, now time.Time) passkey {
	k := passkey{
		ID: made.ID, Key: made.PublicKey, Name: name, Since: now, Used: now, Count: made.Authenticator.SignCount,
		Eligible: made.Flags.BackupEligible, BackedUp: made.Flags.BackupState, Format: made.AttestationFormat,
	}
	for _, t := range made.Transport[:min(len(made.Transport), maxTransports)] {
		if len(t) <= 32 {
			k.Transports = append(k.Transports, string(t))
		}
	}
	return k
}

func parseCreated(answer string) (*protocol.ParsedCredentialCreationData, error) {
	if len(answer) > maxAnswer {
		return nil, refusal(ReasonMalformed)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil || parsed == nil {
		return nil, refusal(ReasonMalformed)
	}
	return parsed, nil
}

// created verifies a registration.
func (s *Service) created(u *entra.User, st *state, c challenge, parsed *protocol.ParsedCredentialCreationData) (*webauthn.Credential, error) {
	if len(st.Keys) >= MaxPasskeys {
		return nil, refusal(ReasonFull)
	}
	made, err := s.web.CreateCredential(personOf(u, st), c.Data, parsed)
	if err != nil {
		at := parsed.Response.AttestationObject.AuthData
		return nil, s.why(parsed.Response.CollectedClientData, protocol.CreateCeremony, c, at)
	}
	// Without an attestation nothing has used the key yet, so nothing has looked at it.
	if _, err := webauthncose.ParsePublicKey(made.PublicKey); err != nil || len(made.PublicKey) > maxKey || len(made.ID) > maxCredentialID {
		return nil, refusal(ReasonSignature)
	}
	if slices.ContainsFunc(st.Keys, func(k passkey) bool { return bytes.Equal(k.ID, made.ID) }) {
		return nil, refusal(ReasonKnown)
	}
	return made, nil
}

// assert takes what the browser made of askGet.
func (s *Service) assert(ctx context.Context, u *entra.User, text, answer string) error {
	now := s.o.Now()
	c, err := s.openChallenge(u, ceremonyGet, text, now)
	if err != nil {
		return s.refused(ctx, u, now, err)
	}
	parsed, err := parseAsserted(answer)
	if err != nil {
		return s.refused(ctx, u, now, err)
	}
	var why error
	err = s.change(ctx, u, now, func(st *state) (bool, error) {
		if err := c.use(st, now); err != nil {
			return false, err
		}
		if why = s.asserted(u, st, c, parsed, now); why == nil {
			st.right()
		}
		return true, nil
	})
	if err == nil {
		err = why
	}
	if err == nil {
		s.audit(ctx, u, now, entra.EventFactorUsed, string(KindPasskey))
	}
	return s.refused(ctx, u, now, err)
}

func parseAsserted(answer string) (*protocol.ParsedCredentialAssertionData, error) {
	if len(answer) > maxAnswer {
		return nil, refusal(ReasonMalformed)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil || parsed == nil {
		return nil, refusal(ReasonMalformed)
	}
	return parsed, nil
}

// asserted verifies an assertion and notes in st that the passkey was used.
func (s *Service) asserted(u *entra.User, st *state, c challenge, parsed *protocol.ParsedCredentialAssertionData, now time.Time) error {
	p := personOf(u, st)
	i := slices.IndexFunc(st.Keys, func(k passkey) bool { return bytes.Equal(k.ID, parsed.RawID) })
	if handle := parsed.Response.UserHandle; i < 0 || len(handle) > 0 && !bytes.Equal(handle, p.WebAuthnID()) {
		return refusal(ReasonPasskey)
	}
	used, err := s.web.ValidateLogin(p, c.Data, parsed)
	switch {
	case err != nil:
		return s.why(parsed.Response.CollectedClientData, protocol.AssertCeremony, c, parsed.Response.AuthenticatorData)
	case used.Authenticator.CloneWarning:
		return refusal(ReasonCounter)
	}
	k := &st.Keys[i]
	k.Count, k.BackedUp, k.Used = used.Authenticator.SignCount, used.Flags.BackupState, now
	return nil
}

// why says for the audit what is wrong with an answer that was refused. It decides nothing.
func (s *Service) why(client protocol.CollectedClientData, kind protocol.CeremonyType, c challenge, data protocol.AuthenticatorData) error {
	id := sha256.Sum256([]byte(s.o.RPID))
	switch {
	case client.Type != kind || client.Challenge != c.Data.Challenge:
		return refusal(ReasonChallenge)
	case client.CrossOrigin || !protocol.IsOriginInHaystack(client.Origin, s.o.Origins):
		return refusal(ReasonOrigin)
	case !bytes.Equal(data.RPIDHash, id[:]):
		return refusal(ReasonRPID)
	case !data.Flags.HasUserPresent() || !data.Flags.HasUserVerified():
		return refusal(ReasonVerification)
	}
	return refusal(ReasonSignature)
}

var errNoSession = errors.New("mfa: the host names no session of who is signed in")
