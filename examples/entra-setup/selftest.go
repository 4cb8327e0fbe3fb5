package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// player plays the command against a directory of its own, on this machine.
type player struct {
	ctx    context.Context
	out    io.Writer
	tenant *entratest.Directory
	o      *graphentra.Options
	folder string
}

// anybody has a token that the directory takes.
type anybody struct{}

func (anybody) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return anybody{}, nil
}

func (anybody) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "an administrator's", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func selftest(ctx context.Context, out io.Writer) (err error) {
	p := &player{ctx: ctx, out: out, tenant: entratest.NewDirectory("", nil)}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: p.tenant, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(listener) }()
	defer func() {
		err = errors.Join(err, srv.Close())
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
	}()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	here := "http://" + listener.Addr().String()
	p.o = &graphentra.Options{Cloud: entra.Cloud{Name: "fake", Login: here, Graph: here}, HTTPClient: &http.Client{Transport: transport}}
	if p.folder, err = os.MkdirTemp("", "entra-setup-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.folder)) }()
	if err := p.story(); err != nil {
		return err
	}
	p.say("All as it should be.")
	return nil
}

func (p *player) say(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

// play runs the command, and looks for a text in what it says or in its error.
func (p *player) play(want string, args ...string) (string, error) {
	var b bytes.Buffer
	client, err := graphentra.New(anybody{}, p.o)
	if err != nil {
		return "", err
	}
	o, err := parse(args, &b)
	if err == nil {
		err = (&command{client, "contoso", &b, o}).do(p.ctx)
	}
	said := b.String()
	if err != nil {
		said += err.Error()
	}
	if !strings.Contains(said, want) {
		return said, fmt.Errorf("%v: there is no %q in %q", args, want, said)
	}
	return said, nil
}

func (p *player) story() error {
	dana := p.tenant.AddUser(entratest.DirectoryUser{Name: "Dana Reyes", UPN: "dana@contoso.example"})
	keeper := p.tenant.AddUser(entratest.DirectoryUser{Name: "Emergency", UPN: "emergency@contoso.example"})
	technicians, glass := p.tenant.AddGroup("Technicians", dana), p.tenant.AddGroup("Break glass", keeper)
	plan, secrets := filepath.Join(p.folder, "plan.json"), filepath.Join(p.folder, "secrets.txt")
	wanted := []string{
		"-preset", "signin", "-key", "signin", "-name", "North IT", "-url", "https://msp.example/auth", "-secret", "-plan", plan,
		"-assign", "group:" + technicians + ":Technician,user:" + keeper + ":Admin", "-break-glass", glass,
	}
	said, err := p.play(`+ application "North IT"`, wanted...)
	if err != nil {
		return err
	}
	p.say("%s", said)

	p.tenant.Change(func(o *entratest.DirectoryOptions) { o.Denied = []string{"POST /oauth2PermissionGrants"} })
	if _, err := p.play("DelegatedPermissionGrant.ReadWrite.All", "-apply", plan, "-secrets", secrets); err != nil {
		return err
	}
	p.say("It was begun, and stopped where a permission was missing. What remains was written back.")
	p.tenant.Change(func(o *entratest.DirectoryOptions) { o.Denied = nil })
	if said, err = p.play("application ", "-apply", plan, "-secrets", secrets); err != nil {
		return err
	}
	_, steps, _ := strings.Cut(said, "\n1/")
	p.say("\n1/%s", steps)
	kept, err := os.ReadFile(secrets) //nolint:gosec // it is in a folder of ours
	if err != nil {
		return err
	}
	if n := bytes.Count(kept, []byte("\n")); n != 1 {
		return fmt.Errorf("there are %d secrets in the file", n)
	}
	p.say("The client secret is in its file, and was shown nowhere else.")

	if said, err = p.play("nothing to do", wanted...); err != nil {
		return err
	}
	p.say("\n%s", said)
	if said, err = p.play("0 missing", append(wanted, "-report")...); err != nil {
		return err
	}
	p.say("%s", said)
	return p.conditional(wanted, dana, keeper)
}

// conditional looks at what the policy would have blocked, and switches it on.
func (p *player) conditional(wanted []string, dana, keeper string) error {
	app, _ := p.tenant.Objects("applications")[0]["appId"].(string)
	id, _ := p.tenant.Objects("conditionalAccessPolicies")[0]["id"].(string)
	for who, result := range map[string]string{dana: "reportOnlyFailure", keeper: "reportOnlyNotApplied"} {
		p.tenant.AddSignIn(entratest.DirectorySignIn{
			At: time.Now().Add(-time.Hour), UserID: who, AppID: app, Policies: []entratest.DirectoryPolicyResult{{PolicyID: id, Result: result}},
		})
	}
	said, err := p.play("dana@contoso.example", append(wanted, "-impact")...)
	if err != nil {
		return err
	}
	p.say("%s", said)
	_, token, _ := strings.Cut(said, "-enforce ")
	token, _, _ = strings.Cut(token, "\n")
	if _, err := p.play("locked out", append(wanted, "-enforce", token, "-caller", dana)...); err != nil {
		return err
	}
	p.say("Dana cannot switch it on: it would lock her out.")
	if _, err := p.play("Conditional Access policy", append(wanted, "-enforce", token, "-caller", keeper)...); err != nil {
		return err
	}
	if state := p.tenant.Objects("conditionalAccessPolicies")[0]["state"]; state != "enabled" {
		return fmt.Errorf("the policy is %v", state)
	}
	p.say("Somebody with an emergency account has switched it on.")
	if _, err := p.play("nothing to do", wanted...); err != nil {
		return err
	}
	if _, err := p.play("", append(wanted, "-relax")...); err != nil {
		return err
	}
	if state := p.tenant.Objects("conditionalAccessPolicies")[0]["state"]; state != "enabledForReportingButNotEnforced" {
		return fmt.Errorf("the policy is %v", state)
	}
	p.say("It is back at reporting only.")
	return nil
}
