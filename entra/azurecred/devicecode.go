package azurecred

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// Prompt tells a person where to go and what to type there: "To sign in, use a web browser to open … and enter the code …".
// The code is worth a sign-in until it is used: show it to nobody else.
type Prompt func(ctx context.Context, message string) error

// personTimeout bounds the wait for a person. A code is good for about 15 minutes.
const personTimeout = 20 * time.Minute

// DeviceCode signs a person in with a code that they type on another device, for commands that work in one tenant. What it
// reaches is what that person may reach. Use [NewDeviceCode].
type DeviceCode struct {
	o       Options
	tenant  mspkit.TenantID
	entraID string
	of      *held
	shared  flights
}

var _ TenantCredentials = (*DeviceCode)(nil)

// NewDeviceCode returns the credential of one tenant: tenant is the host's name of the tenant of Microsoft 365 with the id
// entraID. Options take no secret, certificate, assertion or managed identity: the application must allow public client
// flows. Nobody is asked before the first token is needed.
func NewDeviceCode(tenant mspkit.TenantID, entraID string, prompt Prompt, o *Options) (*DeviceCode, error) {
	d := &DeviceCode{tenant: tenant}
	if o != nil {
		d.o = *o
	}
	if err := d.o.prepare(); err != nil {
		return nil, err
	}
	if err := tenant.Validate(); err != nil {
		return nil, err
	}
	id, err := entra.CanonicalID(entraID)
	if err != nil {
		return nil, err
	}
	d.entraID = id
	if prompt == nil {
		return nil, fmt.Errorf("azurecred: a prompt is required: %w", mspkit.ErrInvalid)
	}
	if d.o.Secret.Reveal() != "" || d.o.Certificate != nil || d.o.Assertion != nil || d.o.ManagedIdentity != nil {
		return nil, fmt.Errorf("azurecred: a device code is for a person, not for an application's secret: %w", mspkit.ErrInvalid)
	}
	cred, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
		ClientOptions: d.o.client(), DisableInstanceDiscovery: d.o.foreign(), ClientID: d.o.ClientID, TenantID: id,
		UserPrompt: func(ctx context.Context, m azidentity.DeviceCodeMessage) error { return prompt(ctx, m.Message) },
	})
	if err != nil {
		return nil, fmt.Errorf("azurecred: make a credential: %w", mspkit.ErrInvalid)
	}
	d.of, d.shared.timeout, d.shared.now = &held{entraID: id, cred: cred}, personTimeout, d.o.Now
	return d, nil
}

// TenantCredential implements [TenantCredentials]. A tenant that is not the one of [NewDeviceCode] is
// [entra.ErrNotConnected].
func (d *DeviceCode) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	if tenant != d.tenant {
		return nil, fmt.Errorf("azurecred: tenant %q: %w", tenant, entra.ErrNotConnected)
	}
	return d, nil
}

// GetToken implements [azcore.TokenCredential]. The first call waits for the person, as long as the code is good for.
func (d *DeviceCode) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if err := ownTenant(d.entraID, o.TenantID); err != nil {
		return azcore.AccessToken{}, err
	}
	o.TenantID = d.entraID
	return d.shared.token(ctx, d.of, o)
}

// String names the tenant.
func (d *DeviceCode) String() string { return fmt.Sprintf("azurecred.DeviceCode(%q)", d.tenant) }

// GoString is the same as String.
func (d *DeviceCode) GoString() string { return d.String() }

// LogValue is the same as String.
func (d *DeviceCode) LogValue() slog.Value { return slog.StringValue(d.String()) }
