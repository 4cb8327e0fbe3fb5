package entratest

import (
	"maps"
	"time"
)

// Tamper changes an id token before it is signed, and how it is signed.
type Tamper func(claims map[string]any, sign *SignOptions)

// tampering is a change that is still to come.
type tampering struct {
	change Tamper
	times  int
}

// Tamper changes the next id tokens that the token endpoint gives out: times 0 is one, negative all. Changes are used up in the
// order in which they were given. See [Server.Attacks] for those that everybody should try.
func (s *Server) Tamper(times int, change Tamper) {
	if times == 0 {
		times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tamperings = append(s.tamperings, &tampering{change, times})
}

// RotateMidFlight takes a new key into use and withdraws all others as soon as the next id token is signed: whoever asks for
// the keys then does not find the one of the token.
func (s *Server) RotateMidFlight() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotate = true
}

// ReplayCode answers the next authorization request with the code of the one before it, as somebody does who slips a code into
// another person's browser.
func (s *Server) ReplayCode() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replay = true
}

// idToken signs an id token, changed where that was wanted.
func (s *Server) idToken(claims map[string]any) string {
	o := &SignOptions{}
	if change := s.tampering(); change != nil {
		claims = maps.Clone(claims)
		change(claims, o)
	}
	signed := s.Sign(claims, o)
	s.mu.Lock()
	rotate := s.rotate
	s.rotate = false
	s.mu.Unlock()
	if rotate {
		s.Rotate()
		s.Retire()
	}
	return signed
}

func (s *Server) tampering() Tamper {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tamperings {
		if t.times == 0 {
			continue
		}
		if t.times > 0 {
			t.times--
		}
		return t.change
	}
	return nil
}

// Set puts claims into a token or, where a value is nil, takes them out: name, value, name, value.
func Set(pairs ...any) Tamper {
	return func(claims map[string]any, _ *SignOptions) {
		for i := 0; i+1 < len(pairs); i += 2 {
			name, _ := pairs[i].(string)
			if pairs[i+1] == nil {
				delete(claims, name)
			} else {
				claims[name] = pairs[i+1]
			}
		}
	}
}

// Shift makes a token as a clock makes it that is wrong: by a positive duration it is of the future.
func Shift(by time.Duration) Tamper {
	return func(claims map[string]any, _ *SignOptions) {
		for _, name := range []string{"iat", "nbf", "exp", "auth_time"} {
			if at, ok := claims[name].(int64); ok {
				claims[name] = at + int64(by/time.Second)
			}
		}
	}
}

// Signed signs in another way.
func Signed(o SignOptions) Tamper {
	return func(_ map[string]any, sign *SignOptions) { *sign = o }
}

// Attack is an id token that nobody may accept.
type Attack struct {
	Name   string
	Change Tamper
}

// Attacks returns the id tokens that every application must refuse, whoever may sign in there. other is a tenant whose people
// may not sign in, another is the id of another application.
func (s *Server) Attacks(other *Tenant, another string) []Attack {
	const late = 10 * time.Minute
	return []Attack{
		{"the issuer of another tenant", Set("iss", s.issuer(other.ID))},
		{"the tenant of another issuer", Set("tid", other.ID)},
		{"another tenant altogether", Set("iss", s.issuer(other.ID), "tid", other.ID)},
		{"the issuer with its placeholder", Set("iss", s.issuer("{tenantid}"))},
		{"the issuer of several tenants", Set("iss", s.issuer(common))},
		{"an issuer elsewhere", Set("iss", "https://login.example/"+other.ID+"/v2.0")},
		{"no issuer", Set("iss", nil)},
		{"no tenant", Set("tid", nil)},
		{"a personal account", Set("iss", s.issuer(ConsumersID), "tid", ConsumersID)},
		{"another application", Set("aud", another)},
		{"several applications", func(claims map[string]any, _ *SignOptions) { claims["aud"] = []any{claims["aud"], another} }},
		{"no application", Set("aud", nil)},
		{"no person", Set("oid", nil)},
		{"no subject", Set("sub", nil)},
		{"no nonce", Set("nonce", nil)},
		{"another nonce", Set("nonce", randomText())},
		{"version 1.0", Set("ver", "1.0")},
		{"expired", func(claims map[string]any, _ *SignOptions) { Shift(-time.Hour-late)(claims, nil) }},
		{"of the future", Shift(late)},
		{"no expiry", Set("exp", nil)},
		{"good for ever", Set("exp", s.o.Now().AddDate(10, 0, 0).Unix())},
		{"not signed", Signed(SignOptions{Algorithm: "none"})},
		{"signed with the public key", Signed(SignOptions{Algorithm: "HS256"})},
		{"signed with a foreign key", Signed(SignOptions{Foreign: true})},
		{"signed with a key that is not published", Signed(SignOptions{Foreign: true, KeyID: "nobody's"})},
	}
}
