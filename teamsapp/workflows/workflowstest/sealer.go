package workflowstest

import "github.com/mspkit/mspkit"

// sealer makes what stores take for sealed: the header of a record with its key id, and bytes. Stores look at no more.
type sealer struct{ key string }

func (s *sealer) seal(text string, tenant mspkit.TenantID, id string) []byte {
	out := append([]byte{1, byte(len(s.key))}, s.key...)
	return append(out, "\x00\xff"+text+"|"+string(tenant)+"|"+id...)
}

// keyOf returns the key id of what seal returned.
func keyOf(sealed []byte) string {
	if len(sealed) < 2 || len(sealed) < 2+int(sealed[1]) {
		return ""
	}
	return string(sealed[2 : 2+int(sealed[1])])
}
