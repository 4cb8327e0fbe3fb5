package graphentra

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/microsoft/kiota-abstractions-go"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/httpx"
)

// anyToken is a credential that always has one.
type anyToken struct{}

func (anyToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "secret", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// The client that sends refuses other hosts as well; a request must not even be given the token.
func TestARequestToAnotherHostIsGivenNoToken(t *testing.T) {
	t.Parallel()
	b := &bearer{anyToken{}, entra.PublicCloud()}
	for to, is := range map[string]error{
		"https://graph.microsoft.com/v1.0/me":                nil,
		"http://graph.microsoft.com/v1.0/me":                 httpx.ErrOrigin,
		"https://graph.microsoft.com:8443/v1.0/me":           httpx.ErrOrigin,
		"https://graph.microsoft.com.else.example/v1.0/me":   httpx.ErrOrigin,
		"https://graph.microsoft.com@else.example/v1.0/me":   httpx.ErrOrigin,
		"https://else.example/v1.0/me?graph.microsoft.com=x": httpx.ErrOrigin,
	} {
		u, err := url.Parse(to)
		require.NoError(t, err)
		r := abstractions.NewRequestInformation()
		r.SetUri(*u)
		err = b.AuthenticateRequest(t.Context(), r, nil)
		if is == nil {
			require.NoError(t, err, to)
			require.Equal(t, []string{"Bearer secret"}, r.Headers.Get("Authorization"), to)
			continue
		}
		require.ErrorIs(t, err, is, to)
		require.Empty(t, r.Headers.Get("Authorization"), to)
	}
}
