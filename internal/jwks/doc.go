// Package jwks keeps the keys that Microsoft signs tokens with: read when the first token comes, read again daily and when a
// token names a key that is not known, and used on for some days where they cannot be read.
//
//	keys, err := jwks.New("https://login.microsoftonline.com/common/.well-known/openid-configuration", nil)
//	key, ok, err := keys.Find(ctx, kid)
//
// [NewAt] is for those who know where the keys are.
//
// # Security
//
// Keys are taken from the origin of the metadata only, and only RSA keys for signatures of 2048 to 8192 bits. A caller judges
// first what costs nothing, such as whom a token is for: each unknown name of a key may lead to a question, one in five
// minutes at most.
//
// # Concurrency
//
// A [Set] is safe for concurrent use. Of all who wait one question goes out, in a goroutine that ends with it.
//
// # Errors
//
//	errors.Is           meaning
//	ErrUnknown          nobody knows now whether there is such a key
//	mspkit.ErrInvalid   the URL cannot be used
package jwks
