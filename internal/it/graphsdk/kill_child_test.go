package graphsdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/graphentra"
)

const (
	childEnv = "GRAPHSDK_PROVISION"
	north    = mspkit.TenantID("north")
)

// orders are what a process that provisions is told.
type orders struct {
	// URL is where the directory is.
	URL string
	// Held is the file with the keys of the secrets that the host has kept.
	Held string
	// Preset is which application, and Conditional whether with Conditional Access.
	Preset      string
	Conditional bool
	// Dana is a person, Techs and Glass are groups.
	Dana, Techs, Glass string
}

// presets are the three applications.
var presets = []string{"sign-in", "mail", "messenger"}

func (o orders) desired() graphentra.Desired {
	var d graphentra.Desired
	switch o.Preset {
	case "sign-in":
		d = graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		d.Federated = []graphentra.Federated{{Name: "ci", Issuer: "https://token.example", Subject: "repo:north/helpdesk"}}
		d.Assignments = []graphentra.Assignment{
			{Principal: o.Techs, Kind: graphentra.Group, Role: "Technician"}, {Principal: o.Dana, Kind: graphentra.User, Role: "Admin"},
		}
	case "mail":
		d = graphentra.OutboundMail("mail", "North Mail", true)
	case "messenger":
		d = graphentra.TeamsMessenger("messenger", "North Messenger", "https://msp.example/messenger")
	}
	d.Secrets = []graphentra.Secret{{Name: "main"}}
	if o.Conditional {
		d.Conditional = &graphentra.Conditional{BreakGlass: o.Glass}
	}
	return d
}

// bearer is a credential for every tenant, whose token is the tenant's name.
type bearer struct{ tenant mspkit.TenantID }

func (bearer) TenantCredential(_ context.Context, t mspkit.TenantID) (azcore.TokenCredential, error) {
	return bearer{t}, nil
}

func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(b.tenant), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (o orders) client(logger *slog.Logger) (*graphentra.Client, error) { return o.with(nil, logger) }

// with returns a client that sends by h.
func (o orders) with(h *http.Client, logger *slog.Logger) (*graphentra.Client, error) {
	cloud := entra.PublicCloud()
	cloud.Graph = o.URL
	return graphentra.New(bearer{}, &graphentra.Options{Cloud: cloud, HTTPClient: h, Rate: -1, Logger: logger, Holds: o.holds})
}

// holds looks into the file.
func (o orders) holds(_ context.Context, _ mspkit.TenantID, key string) (bool, error) {
	b, err := os.ReadFile(o.Held)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return strings.Contains(string(b), key+"\n"), err
}

// keep writes into the file as a host keeps a secret: it is there for good when it returns.
func (o orders) keep(_ context.Context, s graphentra.NewSecret) error {
	f, err := os.OpenFile(o.Held, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s.KeyID + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// provision is a process that plans and applies. It ends with 0 when it has done all.
func provision(given string) {
	var o orders
	err := json.Unmarshal([]byte(given), &o)
	if err == nil {
		err = o.provision()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err, graphentra.Explain(err))
		os.Exit(3)
	}
	os.Exit(0)
}

func (o orders) provision() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := o.client(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	p, err := c.Plan(ctx, north, o.desired())
	if err != nil {
		return err
	}
	_, err = c.Apply(ctx, p, &graphentra.ApplyOptions{Keep: o.keep})
	return err
}
