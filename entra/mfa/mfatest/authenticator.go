package mfatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// The errors of an [Authenticator].
var (
	// ErrExcluded means that it holds a passkey that the options exclude.
	ErrExcluded = errors.New("mfatest: a passkey of this account is there already")
	// ErrNoPasskey means that it holds none that the options allow.
	ErrNoPasskey = errors.New("mfatest: there is no passkey for this")
)

// Authenticator is a browser with an authenticator that holds passkeys: ES256 keys, attestation none
// (https://www.w3.org/TR/webauthn-3/). Origin is required. The other fields are faults; their zero values are none.
type Authenticator struct {
	// Origin is that of the page on which it is used, such as "https://desk.msp.example".
	Origin string

	// RPID is the domain that it answers for in place of that of the options.
	RPID string
	// Challenge is answered in place of that of the options.
	Challenge string
	// Type is that of the client data, in place of "webauthn.create" and "webauthn.get".
	Type string
	// Unverified leaves the flag of user verification out, Absent that of user presence.
	Unverified, Absent bool
	// CrossOrigin says that the page stands in a frame of another site.
	CrossOrigin bool
	// Tampered changes a bit of the signature, or of the key that is enrolled.
	Tampered bool
	// Handle is answered as the user handle.
	Handle []byte
	// Foreign uses the first passkey that it holds, whatever the options allow.
	Foreign bool
	// Counting makes it count its uses; without it the counter stays 0, as that of synced passkeys does.
	Counting bool
	// Back is subtracted from the counter, as if a copy were used.
	Back uint32
	// Synced sets the flags of passkeys that are copied between devices.
	Synced bool

	mu   sync.Mutex
	keys []*key
}

type key struct {
	id, handle []byte
	rpID       string
	private    *ecdsa.PrivateKey
	count      uint32
}

type descriptor struct {
	ID string `json:"id"`
}

type options struct {
	Challenge string `json:"challenge"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	RPID string `json:"rpId"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Exclude []descriptor `json:"excludeCredentials"`
	Allow   []descriptor `json:"allowCredentials"`
}

type clientData struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`
}

type response struct {
	ClientData        string   `json:"clientDataJSON"`
	AttestationObject string   `json:"attestationObject,omitempty"`
	Transports        []string `json:"transports,omitempty"`
	AuthenticatorData string   `json:"authenticatorData,omitempty"`
	Signature         string   `json:"signature,omitempty"`
	UserHandle        string   `json:"userHandle,omitempty"`
}

type credential struct {
	ID         string   `json:"id"`
	RawID      string   `json:"rawId"`
	Type       string   `json:"type"`
	Attachment string   `json:"authenticatorAttachment"`
	Extensions struct{} `json:"clientExtensionResults"`
	Response   response `json:"response"`
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func or(s, instead string) string {
	if s != "" {
		return s
	}
	return instead
}

func read(raw string) (options, error) {
	var o options
	if err := json.Unmarshal([]byte(raw), &o); err != nil || o.Challenge == "" {
		return o, fmt.Errorf("mfatest: these are no options: %q", raw)
	}
	return o, nil
}

// Create makes a passkey for options of navigator.credentials.create, as JSON, and returns what a browser makes of the answer.
func (a *Authenticator) Create(raw string) (string, error) {
	o, err := read(raw)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range o.Exclude {
		if a.find(d.ID) != nil {
			return "", ErrExcluded
		}
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		return "", fmt.Errorf("mfatest: the user handle: %w", err)
	}
	k := &key{id: make([]byte, 32), handle: handle, rpID: or(a.RPID, o.RP.ID)}
	_, _ = rand.Read(k.id)
	if k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return "", err
	}
	cose, err := a.cose(k)
	if err != nil {
		return "", err
	}
	data := a.data(k, 0x40) // with a new credential
	data = append(data, make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.id)))
	data = append(append(data, k.id...), cose...)
	client, err := a.client(o, "webauthn.create")
	if err != nil {
		return "", err
	}
	a.keys = append(a.keys, k)
	return answer(k, response{ClientData: text(client), AttestationObject: text(attestation(data)), Transports: []string{"internal"}})
}

// Get answers options of navigator.credentials.get, as JSON, by a passkey, and returns what a browser makes of the answer.
func (a *Authenticator) Get(raw string) (string, error) {
	o, err := read(raw)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var k *key
	for _, d := range o.Allow {
		if k == nil {
			k = a.find(d.ID)
		}
	}
	if a.Foreign && len(a.keys) > 0 {
		k = a.keys[0]
	}
	if k == nil {
		return "", ErrNoPasskey
	}
	if a.Counting {
		k.count++
	}
	client, err := a.client(o, "webauthn.get")
	if err != nil {
		return "", err
	}
	data, hash := a.data(k, 0), sha256.Sum256(client)
	signed := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, signed[:])
	if err != nil {
		return "", err
	}
	if a.Tampered {
		signature[len(signature)-1] ^= 1
	}
	handle := k.handle
	if a.Handle != nil {
		handle = a.Handle
	}
	return answer(k, response{ClientData: text(client), AuthenticatorData: text(data), Signature: text(signature), UserHandle: text(handle)})
}

func (a *Authenticator) find(id string) *key {
	for _, k := range a.keys {
		if text(k.id) == id {
			return k
		}
	}
	return nil
}

func answer(k *key, r response) (string, error) {
	raw, err := json.Marshal(credential{ID: text(k.id), RawID: text(k.id), Type: "public-key", Attachment: "platform", Response: r})
	return string(raw), err
}

func (a *Authenticator) client(o options, kind string) ([]byte, error) {
	return json.Marshal(clientData{Type: or(a.Type, kind), Challenge: or(a.Challenge, o.Challenge), Origin: a.Origin, CrossOrigin: a.CrossOrigin})
}

// data is the authenticator data (https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data): the hash of the domain, flags and
// the counter.
func (a *Authenticator) data(k *key, flags byte) []byte {
	hash := sha256.Sum256([]byte(or(a.RPID, k.rpID)))
	if !a.Absent {
		flags |= 0x01
	}
	if !a.Unverified {
		flags |= 0x04
	}
	if a.Synced {
		flags |= 0x18
	}
	return binary.BigEndian.AppendUint32(append(hash[:], flags), k.count-min(a.Back, k.count))
}

// cose is the public key as CBOR: {1: 2, 3: -7, -1: 1, -2: x, -3: y} (https://www.rfc-editor.org/rfc/rfc9053#section-7.1.1).
func (a *Authenticator) cose(k *key) ([]byte, error) {
	point, err := k.private.PublicKey.Bytes() // 4, x and y
	if err != nil {
		return nil, err
	}
	if a.Tampered {
		point[1] ^= 1
	}
	out := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}
	out = append(out, point[1:33]...)
	out = append(out, 0x22, 0x58, 0x20)
	return append(out, point[33:]...), nil
}

// attestation is the object without a statement, as CBOR: {"fmt": "none", "attStmt": {}, "authData": data}.
func attestation(data []byte) []byte {
	out := []byte{0xa3, 0x63}
	out = append(out, "fmt"...)
	out = append(out, 0x64)
	out = append(out, "none"...)
	out = append(out, 0x67)
	out = append(out, "attStmt"...)
	out = append(out, 0xa0, 0x68)
	out = append(out, "authData"...)
	out = append(out, 0x59)
	out = binary.BigEndian.AppendUint16(out, uint16(len(data)))
	return append(out, data...)
}
