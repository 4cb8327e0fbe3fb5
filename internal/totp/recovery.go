package totp

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

const (
	// RecoveryDigits is the length of a recovery code, 33 bits: long enough that nobody hits one of ten by trying, and
	// never taken for a code of an app.
	RecoveryDigits = 10
	// RecoveryCodes is how many somebody gets at a time.
	RecoveryCodes = 10
)

// Codes are recovery codes as they are stored. The zero value is none.
type Codes struct {
	// KeyID names the key of the hashes.
	KeyID string `json:"k,omitempty"`
	// Hashes are of the codes that were not used.
	Hashes [][]byte `json:"h,omitempty"`
}

// Recovery makes and finds recovery codes for one purpose.
type Recovery struct{ hashes, draws *token.Hasher }

// NewRecovery returns a maker whose codes are worthless to one with another label.
func NewRecovery(ring *mspkit.KeyRing, label string) (*Recovery, error) {
	hashes, err := token.NewHasher(ring, label+"/recovery")
	if err != nil {
		return nil, err
	}
	draws, err := token.NewHasher(ring, label+"/recovery-draw")
	if err != nil {
		return nil, err
	}
	return &Recovery{hashes, draws}, nil
}

// Draw returns the codes that belong to a secret, and what is stored of them at place (such as tenant and subject). Whoever
// holds the secret, such as the browser of their owner, can have them shown again for as long as the ring holds the key;
// nothing that is stored leads to them.
func (r *Recovery) Draw(secret token.Secret, place ...string) (plain []string, stored Codes, err error) {
	return r.drawUnder(r.draws.Primary(), secret, place)
}

// Again returns the codes of secret where stored holds at least one of them, else nil.
func (r *Recovery) Again(stored Codes, secret token.Secret, place ...string) ([]string, error) {
	plain, drawn, err := r.drawUnder(stored.KeyID, secret, place)
	if err != nil {
		return nil, err
	}
	for _, d := range drawn.Hashes {
		for _, h := range stored.Hashes {
			if subtle.ConstantTimeCompare(d, h) == 1 {
				return plain, nil
			}
		}
	}
	return nil, nil
}

func (r *Recovery) drawUnder(keyID string, secret token.Secret, place []string) (plain []string, stored Codes, err error) {
	stored.KeyID = keyID
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(RecoveryDigits), nil)
	seen := map[string]bool{}
	var n [8]byte
	for i := uint64(0); len(plain) < RecoveryCodes; i++ {
		binary.BigEndian.PutUint64(n[:], i)
		sum, err := r.draws.Sum(keyID, append([]string{string(secret[:]), string(n[:])}, place...)...)
		if err != nil {
			return nil, Codes{}, err
		}
		// 256 bits modulo 10^10: no code is likelier than another by more than 2^-222.
		c := fmt.Sprintf("%0*d", RecoveryDigits, new(big.Int).Mod(new(big.Int).SetBytes(sum), limit))
		if seen[c] {
			continue
		}
		seen[c] = true
		h, err := r.hashes.Sum(keyID, append([]string{c}, place...)...)
		if err != nil {
			return nil, Codes{}, err
		}
		plain, stored.Hashes = append(plain, c), append(stored.Hashes, h)
	}
	return plain, stored, nil
}

// Find returns what is left of stored without the code that is typed, and whether it was there. All are compared, in
// constant time. What is left must be stored by compare-and-set before the code is believed.
func (r *Recovery) Find(stored Codes, typed string, place ...string) (left Codes, ok bool, err error) {
	if len(stored.Hashes) == 0 {
		return stored, false, nil
	}
	h, err := r.hashes.Sum(stored.KeyID, append([]string{typed}, place...)...)
	if err != nil {
		return stored, false, err
	}
	found := -1
	for i, s := range stored.Hashes {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(s, h), i, found)
	}
	if found < 0 {
		return stored, false, nil
	}
	left = Codes{KeyID: stored.KeyID, Hashes: append(append([][]byte{}, stored.Hashes[:found]...), stored.Hashes[found+1:]...)}
	return left, true, nil
}
