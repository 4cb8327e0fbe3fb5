package changefeed

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // Graph wraps keys by OAEP with SHA-1; for OAEP that is not known to be weak
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

const (
	symmetricSize = 32
	// maxWrapped is a key wrapped by the largest certificate that Graph takes, 4096 bits.
	maxWrapped = 512
)

// The reasons why content does not open. Each is final.
var (
	errEncoding  = errors.New("the encrypted content is not base64 of the sizes that it must have")
	errDataKey   = errors.New("the data key does not open with the private key of its certificate")
	errSignature = errors.New("the signature of the encrypted content does not match")
	errPadding   = errors.New("the encrypted content is badly padded")
)

// decrypt opens content as
// https://learn.microsoft.com/graph/change-notifications-with-resource-data#decrypting-resource-data-from-change-notifications
// says: the data key by RSA-OAEP with SHA-1, the HMAC of what is encrypted, and only then AES-CBC, whose IV is the first
// block of the key.
func decrypt(key crypto.Decrypter, e *encrypted, limit int) ([]byte, error) {
	strict := base64.StdEncoding.Strict()
	if len(e.Key) > base64.StdEncoding.EncodedLen(maxWrapped) || len(e.Signature) > 64 || len(e.Data) > base64.StdEncoding.EncodedLen(limit) {
		return nil, errEncoding
	}
	wrapped, errKey := strict.DecodeString(e.Key)
	signature, errMAC := strict.DecodeString(e.Signature)
	data, errData := strict.DecodeString(e.Data)
	if errors.Join(errKey, errMAC, errData) != nil || len(signature) != sha256.Size || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errEncoding
	}
	symmetric, err := key.Decrypt(rand.Reader, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA1})
	if err != nil || len(symmetric) != symmetricSize {
		return nil, errDataKey
	}
	mac := hmac.New(sha256.New, symmetric)
	mac.Write(data)
	if !hmac.Equal(mac.Sum(nil), signature) {
		return nil, errSignature
	}
	block, err := aes.NewCipher(symmetric)
	if err != nil {
		return nil, fmt.Errorf("the data key cannot be used: %w", err)
	}
	cipher.NewCBCDecrypter(block, symmetric[:aes.BlockSize]).CryptBlocks(data, data)
	return unpad(data)
}

// unpad takes the padding of PKCS #7 away, which is 1 to 16 bytes that all say how many they are.
func unpad(data []byte) ([]byte, error) {
	n := int(data[len(data)-1])
	if n == 0 || n > aes.BlockSize || n > len(data) {
		return nil, errPadding
	}
	for _, b := range data[len(data)-n:] {
		if int(b) != n {
			return nil, errPadding
		}
	}
	return data[:len(data)-n], nil
}
