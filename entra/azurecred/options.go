package azurecred

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/httpx"
)

// Options are those of an [App] and of a [DeviceCode]. ClientID is required, and an App needs exactly one of Secret,
// Certificate, Assertion and ManagedIdentity.
type Options struct {
	// Cloud is the Microsoft cloud; zero is the public one. The Azure SDK reaches the login host by https only, without a path.
	Cloud entra.Cloud
	// ClientID is the id of the app registration.
	ClientID string
	// Secret is a client secret: its value, not its id.
	Secret mspkit.Redacted[string]
	// Certificate is a certificate that is registered with the application.
	Certificate *Certificate
	// Assertion returns a JWT of an identity that the application trusts as a federated credential, such as a Kubernetes
	// service account. It is asked for each new token and must be safe for concurrent use. The text of its errors is not
	// repeated.
	Assertion func(ctx context.Context) (string, error)
	// ManagedIdentity takes the token of a managed identity of Azure as the assertion. The identity must be a federated
	// credential of the application.
	ManagedIdentity *ManagedIdentity
	// HTTPClient sends the requests to the login host; nil is one of our own. Redirects are refused, and so is every other host
	// that is to be sent something, such as the regional ones of AZURE_REGIONAL_AUTHORITY_NAME.
	HTTPClient *http.Client
	// MaxTenants is how many tenants' tokens are kept. 0 is 1,024; one more forgets the one not used for the longest time.
	MaxTenants int
	// Logger gets what the outbound pipeline gives up; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Certificate is a certificate with its private key.
type Certificate struct {
	// Data is PEM, with the key as PKCS#8 or PKCS#1, or PKCS#12.
	Data mspkit.Redacted[[]byte]
	// Password is for PKCS#12; keys in PEM must not be encrypted.
	Password mspkit.Redacted[string]
	// SendChain sends the whole chain with each request, which applications need that trust by subject name and issuer.
	SendChain bool
}

// ManagedIdentity is a managed identity of Azure. The zero value is the one that the system assigned.
type ManagedIdentity struct {
	// ClientID names one that a user assigned.
	ClientID string
}

// defaultTenants is [Options.MaxTenants] where nothing is said.
const defaultTenants = 1024

// The bounds of one request for a token, and of all its tries.
const (
	tryTimeout   = 10 * time.Second
	tokenTimeout = 45 * time.Second
)

// maxAnswer is in bytes. Real answers have a few KiB.
const maxAnswer = 1 << 20

// prepare fills in what is left out and reports all faults at once.
func (o *Options) prepare() error {
	if o.Cloud == (entra.Cloud{}) {
		o.Cloud = entra.PublicCloud()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxTenants == 0 {
		o.MaxTenants = defaultTenants
	}
	errs := []error{o.Cloud.Validate()}
	fault := func(text string) { errs = append(errs, fmt.Errorf("azurecred: %s: %w", text, mspkit.ErrInvalid)) }
	var hosts []*url.URL
	for _, host := range []string{o.Cloud.Login, o.Cloud.Graph} {
		if u, err := url.Parse(host); err == nil { // otherwise it is a fault already
			hosts = append(hosts, u)
		}
	}
	if u, err := url.Parse(o.Cloud.Login); err == nil && (u.Scheme != "https" || u.Path != "") {
		fault("Cloud.Login must be https and have no path: the Azure SDK takes no other")
	}
	id, err := entra.CanonicalID(o.ClientID)
	if err != nil {
		fault("ClientID is not the id of an application")
	}
	o.ClientID = id
	if o.MaxTenants < 0 {
		fault("MaxTenants is negative")
	}
	if errs[0] == nil {
		o.HTTPClient, err = httpx.NewClient(o.HTTPClient, &httpx.Options{
			Timeout: tokenTimeout, TryTimeout: tryTimeout, MaxRetries: -1, MaxBody: maxAnswer, Logger: o.Logger, Now: o.Now,
		})
		errs = append(errs, err)
		if err == nil {
			o.HTTPClient.Transport = recorder{o.HTTPClient.Transport, hosts}
		}
	}
	return errors.Join(errs...)
}

// client returns what every credential of azidentity is told.
func (o *Options) client() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud: Configuration(o.Cloud), Transport: o.HTTPClient,
		Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: 500 * time.Millisecond, MaxRetryDelay: 5 * time.Second, TryTimeout: tryTimeout},
	}
}

// known are the login hosts that Microsoft's instance discovery vouches for. It knows no other.
var known = []string{
	entra.PublicCloud().Login, entra.USGovCloud().Login, entra.USGovDoDCloud().Login, entra.ChinaCloud().Login,
}

func (o *Options) foreign() bool { return !slices.Contains(known, o.Cloud.Login) }

// proof makes the credential of azidentity of one tenant of Microsoft 365.
type proof func(entraID string) (azcore.TokenCredential, error)

// proof returns how the application proves itself. It does nothing on the network.
func (o *Options) proof() (proof, error) {
	var ways []func() (proof, error)
	if o.Secret.Reveal() != "" {
		ways = append(ways, o.secret)
	}
	if o.Certificate != nil {
		ways = append(ways, o.certificate)
	}
	if o.Assertion != nil {
		ways = append(ways, func() (proof, error) { return o.assertion(o.Assertion), nil })
	}
	if o.ManagedIdentity != nil {
		ways = append(ways, o.managed)
	}
	if len(ways) != 1 {
		return nil, fmt.Errorf("azurecred: exactly one of Secret, Certificate, Assertion and ManagedIdentity is needed, %d are given: %w", len(ways), mspkit.ErrInvalid)
	}
	return ways[0]()
}

func (o *Options) secret() (proof, error) {
	return func(entraID string) (azcore.TokenCredential, error) {
		return azidentity.NewClientSecretCredential(entraID, o.ClientID, o.Secret.Reveal(), &azidentity.ClientSecretCredentialOptions{
			ClientOptions: o.client(), DisableInstanceDiscovery: o.foreign(),
		})
	}, nil
}

func (o *Options) certificate() (proof, error) {
	certs, key, err := parseCertificate(o.Certificate)
	if err != nil {
		return nil, err
	}
	return func(entraID string) (azcore.TokenCredential, error) {
		return azidentity.NewClientCertificateCredential(entraID, o.ClientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: o.client(), DisableInstanceDiscovery: o.foreign(), SendCertificateChain: o.Certificate.SendChain,
		})
	}, nil
}

// parseCertificate does not repeat what the parser says, which has seen the key.
func parseCertificate(c *Certificate) ([]*x509.Certificate, crypto.PrivateKey, error) {
	bad := func(why string) error { return fmt.Errorf("azurecred: Certificate: %s: %w", why, mspkit.ErrInvalid) }
	certs, key, err := azidentity.ParseCertificates(c.Data.Reveal(), []byte(c.Password.Reveal()))
	if err != nil {
		return nil, nil, bad("it must be PEM with an unencrypted key, or PKCS#12 with its password")
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok || len(certs) == 0 {
		return nil, nil, bad("it needs a certificate and its RSA key")
	}
	if !slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return private.PublicKey.Equal(c.PublicKey) }) {
		return nil, nil, bad("the key belongs to none of the certificates")
	}
	return certs, key, nil
}

func (o *Options) assertion(f func(context.Context) (string, error)) proof {
	guarded := func(ctx context.Context) (string, error) {
		jwt, err := f(ctx)
		if err != nil {
			return "", &assertionError{err}
		}
		return jwt, nil
	}
	return func(entraID string) (azcore.TokenCredential, error) {
		return azidentity.NewClientAssertionCredential(entraID, o.ClientID, guarded, &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: o.client(), DisableInstanceDiscovery: o.foreign(),
		})
	}
}

// assertionError does not repeat the text of a host's function, which may hold an assertion.
type assertionError struct{ cause error }

func (*assertionError) Error() string { return "the assertion could not be made" }

// Unwrap returns the cause, and an error of azidentity: where it finds one of its own it hands the whole through, and
// otherwise keeps the text only.
func (e *assertionError) Unwrap() []error {
	return []error{e.cause, &azidentity.AuthenticationFailedError{}}
}

// exchange is the audience of the assertions that Entra takes, by login host.
//
// Source: https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity.
var exchange = map[string]string{
	entra.USGovCloud().Login: "api://AzureADTokenExchangeUSGov",
	entra.ChinaCloud().Login: "api://AzureADTokenExchangeChina",
}

func (o *Options) managed() (proof, error) {
	mo := &azidentity.ManagedIdentityCredentialOptions{}
	if o.ManagedIdentity.ClientID != "" {
		mo.ID = azidentity.ClientID(o.ManagedIdentity.ClientID)
	}
	identity, err := azidentity.NewManagedIdentityCredential(mo)
	if err != nil {
		return nil, fmt.Errorf("azurecred: ManagedIdentity cannot be used here: %w", mspkit.ErrInvalid)
	}
	audience := exchange[o.Cloud.Login]
	if audience == "" {
		audience = "api://AzureADTokenExchange"
	}
	return o.assertion(func(ctx context.Context) (string, error) {
		t, err := identity.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
		return t.Token, err
	}), nil
}
