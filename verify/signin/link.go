package signin

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/verify"
)

// invitation is what a link says: which challenge, who must sign in, and how strongly. It is encrypted in the link, so that it is
// what the channel wrote when it delivered the challenge. Until when it is good is for the store to say.
type invitation struct {
	ref      verify.Ref
	tid, oid string // in lower case
	acr      int    // the number of the authentication context; 0 is none
}

// layout is the first byte of what a link holds.
const layout = 1

// maxContext is the highest number of an authentication context
// (https://learn.microsoft.com/graph/api/resources/authenticationcontextclassreference).
const maxContext = 99

var errLink = errors.New("signin: the link is not one of ours")

func (i invitation) identity() string { return i.tid + "/" + i.oid }

// from is whom package verify knows as the one who may answer.
func (i invitation) from() string { return prefix + i.identity() }

func (i invitation) strong() bool { return i.acr >= 1 && i.acr <= maxContext }

// context returns what the claim acrs must hold, or "" where nothing is demanded.
func (i invitation) context() string {
	if i.acr == 0 {
		return ""
	}
	return "c" + strconv.Itoa(i.acr)
}

// encode returns the invitation as a token with a fresh secret. It is binary, because links of text messages cost money.
func (i invitation) encode(links *token.Codec) (string, error) {
	tid, terr := uuid.Parse(i.tid)
	oid, oerr := uuid.Parse(i.oid)
	if err := errors.Join(terr, oerr); err != nil {
		return "", err
	}
	if i.acr < 0 || i.acr > maxContext || i.ref.ID == "" || len(i.ref.ID) > mspkit.MaxID || i.ref.Tenant.Validate() != nil {
		return "", fmt.Errorf("signin: the challenge or the context cannot stand in a link: %w", mspkit.ErrInvalid)
	}
	text := append([]byte{layout, byte(i.acr)}, tid[:]...)
	text = append(text, oid[:]...)
	text = append(text, byte(len(i.ref.ID)))
	text = append(text, i.ref.ID...)
	text = append(text, i.ref.Tenant...)
	tok := links.Encode(token.NewSecret(), string(text))
	if len(tok) > token.MaxToken {
		return "", fmt.Errorf("signin: the ids of the challenge are too long for a link: %w", mspkit.ErrInvalid)
	}
	return tok, nil
}

// decode reads what encode wrote.
func decode(links *token.Codec, tok string) (invitation, error) {
	_, text, err := links.Decode(tok)
	const head = 2 + 16 + 16 + 1
	if err != nil || len(text) < head || text[0] != layout || text[1] > maxContext || len(text) <= head+int(text[head-1]) {
		return invitation{}, errLink
	}
	rest, n := text[head:], int(text[head-1])
	i := invitation{
		ref: verify.Ref{Tenant: mspkit.TenantID(rest[n:]), ID: rest[:n]}, acr: int(text[1]),
		tid: uuid.UUID([]byte(text[2:18])).String(), oid: uuid.UUID([]byte(text[18:34])).String(),
	}
	if i.ref.ID == "" || i.ref.Tenant.Validate() != nil {
		return invitation{}, errLink
	}
	return i, nil
}
