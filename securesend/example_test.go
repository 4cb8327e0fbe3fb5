package securesend_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
)

// phone is a sender that prints where a message goes. A program uses package sendvia.
type phone struct{}

func (phone) Send(_ context.Context, m securesend.Message) error {
	fmt.Println("to", m.To, "from", m.Brand.Name, "with a link:", strings.Contains(m.Text.Reveal(), m.Link.Reveal()))
	return nil
}

// exampleSender returns a service with files in memory and one sender.
func exampleSender(settings securesend.Settings) *securesend.Service {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11")) // a program reads its keys from its secret store
	if err != nil {
		panic(err)
	}
	settings.Brand = mspkit.Brand{Name: "Contoso IT"}
	svc, err := securesend.New(memstore.New(), ring, "https://help.example/send", securesend.Same(settings), &securesend.Options{
		Blobs:   map[string]securesend.BlobStore{securesend.RegionEurope: memstore.NewBlobs()},
		Senders: map[string]securesend.Sender{"sms": phone{}},
	})
	if err != nil {
		panic(err)
	}
	return svc
}

var exampleJane = securesend.Technician{ID: "jane", Name: "Jane Doe"}

// Jane has reset Dana's password. Dana opens it once, with the number that Jane says on the phone.
func Example() {
	ctx := context.Background()
	svc := exampleSender(securesend.Settings{})
	sent, err := svc.Create(ctx, securesend.SendRequest{
		Tenant: "contoso", By: exampleJane, Text: mspkit.Redact("correct horse battery"),
		Deliver: []securesend.Destination{{Sender: "sms", Address: "+12025550123"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Dana's page, or program: package securesendpage and package client do all of this.
	link, _ := securesend.ParseLink(sent.Link.Reveal())
	ref, _ := svc.ParseToken(link.Token.Reveal())
	take := securesend.TakeRequest{
		Auth: securesend.Auth(link.Fragment.Reveal()), Claim: securesend.RandomKey(), Number: sent.Number.Reveal(),
	}
	got, err := svc.Take(ctx, ref, take)
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, _ := securesend.NewSendKeys(link.Fragment.Reveal(), got.Half.Reveal(), nil)
	header, _ := securesend.ParseHeader(got.Header)
	content, err := keys.OpenManifest(got.Context, header, got.Manifest)
	fmt.Println(content.Text, err)
	fmt.Println("acknowledged:", svc.Ack(ctx, ref, take.Auth, take.Claim) == nil)

	take.Claim = securesend.RandomKey() // somebody else finds the link
	_, err = svc.Take(ctx, ref, take)
	fmt.Println(errors.Is(err, securesend.ErrEnded))
	status, err := svc.Status(ctx, sent.Ref, exampleJane.ID)
	fmt.Println(status.State, err)
	// Output:
	// to +12025550123 from Contoso IT with a link: true
	// correct horse battery <nil>
	// acknowledged: true
	// true
	// acknowledged <nil>
}

// Jane's browser seals, so that the server never sees the content.
func ExampleService_Grant() {
	ctx := context.Background()
	svc := exampleSender(securesend.Settings{})
	grant, err := svc.Grant(ctx, securesend.SendRequest{Tenant: "contoso", By: exampleJane, Choice: securesend.Choice{TTL: time.Hour}})
	if err != nil {
		fmt.Println(err)
		return
	}

	// What the page behind grant.Link does.
	page, _ := securesend.ParseLink(grant.Link.Reveal())
	upload := page.Fragment.Reveal()
	begun, err := svc.BeginUpload(ctx, page.Token.Reveal(), upload)
	if err != nil {
		fmt.Println(err)
		return
	}
	fragment, half := securesend.RandomKey(), securesend.RandomKey()
	keys, _ := securesend.NewSendKeys(fragment, half, nil)
	file := []byte("a report")
	cipher, _ := keys.File(begun.Context, securesend.Header{}, 0)
	sealed, _ := io.ReadAll(cipher.SealReader(bytes.NewReader(file), int64(len(file))))
	fmt.Println("uploaded:", svc.PutPart(ctx, grant.Ref, upload, 0, 0, bytes.NewReader(sealed)) == nil)
	manifest, _ := keys.SealManifest(begun.Context, securesend.Header{}, securesend.Manifest{
		Files: []securesend.FileInfo{{Name: "report.pdf", Size: int64(len(file))}},
	})
	done, err := svc.Commit(ctx, grant.Ref, upload, securesend.CommitRequest{
		Header: securesend.Header{}.Bytes(), Manifest: manifest, Sizes: []int64{int64(len(file))},
		AuthHash: securesend.AuthHash(securesend.Auth(fragment)), Half: half,
	})
	fmt.Println("ready:", err == nil, "number to say:", len(done.Number.Reveal()), "digits")
	link := securesend.Link{Kind: securesend.LinkSend, Base: svc.BaseURL(), Token: page.Token, Fragment: mspkit.Redact(fragment)}
	fmt.Println("the server knows the link:", done.Link.Reveal() == link.URL().Reveal())
	// Output:
	// uploaded: true
	// ready: true number to say: 3 digits
	// the server knows the link: false
}

// Jane asks a caller for something secret.
func ExampleService_Ask() {
	ctx := context.Background()
	svc := exampleSender(securesend.Settings{})
	asked, err := svc.Ask(ctx, securesend.SendRequest{
		Tenant: "contoso", By: exampleJane, Deliver: []securesend.Destination{{Sender: "sms", Address: "+12025550123"}},
	}, "Your recovery key, please")
	if err != nil {
		fmt.Println(err)
		return
	}

	// The caller's browser.
	link, _ := securesend.ParseLink(asked.Link.Reveal())
	ref, _ := svc.ParseToken(link.Token.Reveal())
	upload := securesend.RandomKey()
	admitted, err := svc.Admit(ctx, ref, upload, asked.Number.Reveal())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the key is the link's:", bytes.Equal(securesend.Fingerprint(admitted.Key), link.Fragment.Reveal()))
	keys, ephemeral, _ := securesend.SealRequestKeys(admitted.Key)
	header := securesend.Header{Request: true, Ephemeral: ephemeral}
	manifest, _ := keys.SealManifest(admitted.Context, header, securesend.Manifest{Text: "1234-5678"})
	_, err = svc.Commit(ctx, ref, upload, securesend.CommitRequest{Header: header.Bytes(), Manifest: manifest})
	fmt.Println("answered:", err == nil)

	// Jane, signed in.
	claim := securesend.RandomKey() // of her session
	got, err := svc.Receive(ctx, asked.Ref, "sam", claim)
	fmt.Println("sam gets it:", got != nil, errors.Is(err, securesend.ErrForbidden))
	got, err = svc.Receive(ctx, asked.Ref, exampleJane.ID, claim)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Text.Reveal(), svc.AckReceived(ctx, got))
	// Output:
	// to +12025550123 from Contoso IT with a link: true
	// the key is the link's: true
	// answered: true
	// sam gets it: false true
	// 1234-5678 <nil>
}

// What a tenant decides, technicians cannot change.
func ExampleSettings() {
	svc := exampleSender(securesend.Settings{
		Country: "DE", LockTechnician: true, TextTTL: 4 * time.Hour, FilesOff: true,
		Defaults:  securesend.Choice{Views: 2, AfterView: time.Hour, Header: "Contoso never asks for your password."},
		Templates: map[string]string{"sms": "${technician} of ${brand}: ${link}"},
	})
	_, err := svc.Create(context.Background(), securesend.SendRequest{
		Tenant: "contoso", By: exampleJane, Text: mspkit.Redact("x"), Choice: securesend.Choice{TTL: 24 * time.Hour},
	})
	var locked *securesend.LockedFieldError
	fmt.Println(errors.As(err, &locked), err)
	sent, err := svc.Create(context.Background(), securesend.SendRequest{Tenant: "contoso", By: exampleJane, Text: mspkit.Redact("x")})
	fmt.Println(sent.Region, time.Until(sent.ExpiresAt).Round(time.Hour), err)

	wrong := securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}, MaxFiles: -1, Templates: map[string]string{"sms": "hello"}}
	fmt.Println(wrong.Validate())
	// Output:
	// true securesend: create: TTL is locked by the tenant's settings: leave it empty
	// Europe 4h0m0s <nil>
	// securesend: settings: MaxFiles is -1, it must be 1 to 1000: invalid request
	// template "sms" contains ${link} 0 times, it must contain it once: invalid request
}
