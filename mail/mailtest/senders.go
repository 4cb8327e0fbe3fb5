package mailtest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
)

// TestSenders is what every [mail.SenderStore] must pass. open returns an empty store; each part has its own.
func TestSenders(t *testing.T, open func(t *testing.T) mail.SenderStore) {
	t.Helper()
	at := time.Date(2026, 5, 4, 9, 0, 0, 123456000, time.UTC)
	sender := func(tenant mspkit.TenantID) mail.Sender {
		return mail.Sender{
			Tenant: tenant, Address: mail.Address{Name: "Help “desk” Grüße", Email: "helpdesk@" + string(tenant) + ".example"}, MailboxID: "box-1", By: "sam",
			ChosenAt: at, CheckedAt: at,
		}
	}
	no := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	is := func(t *testing.T, s mail.SenderStore, want mail.Sender) {
		t.Helper()
		got, err := s.Sender(t.Context(), want.Tenant)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("the store has %+v (%v), not %+v", got.MailboxID, err, want.MailboxID)
		}
	}
	t.Run("Each tenant has one", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		if _, err := s.Sender(t.Context(), "contoso"); !errors.Is(err, mail.ErrNotSetUp) {
			t.Fatalf("an empty store says %v", err)
		}
		a, b := sender("contoso"), sender("fabrikam")
		no(t, s.PutSender(t.Context(), b))
		no(t, s.PutSender(t.Context(), a))
		is(t, s, a)
		is(t, s, b)
		a.MailboxID, a.Problem, a.TestedAt = "box-2", "it is \x22odd\x22", at.Add(time.Hour)
		no(t, s.PutSender(t.Context(), a))
		is(t, s, a)
		list, err := s.Senders(t.Context())
		if err != nil || !reflect.DeepEqual(list, []mail.Sender{a, b}) {
			t.Fatalf("the list has %d (%v)", len(list), err)
		}
		no(t, s.DeleteSender(t.Context(), "contoso"))
		if err := s.DeleteSender(t.Context(), "contoso"); !errors.Is(err, mail.ErrNotSetUp) {
			t.Fatalf("deleted twice: %v", err)
		}
		is(t, s, b)
	})
	t.Run("What cannot be used is not stored", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		for name, change := range map[string]func(*mail.Sender){
			"tenant": func(v *mail.Sender) { v.Tenant = "" }, "address": func(v *mail.Sender) { v.Address.Email = "x" },
			"mailbox": func(v *mail.Sender) { v.MailboxID = "" }, "by": func(v *mail.Sender) { v.By = "" }, "time": func(v *mail.Sender) { v.ChosenAt = time.Time{} },
		} {
			v := sender("contoso")
			change(&v)
			if err := s.PutSender(t.Context(), v); !errors.Is(err, mspkit.ErrInvalid) {
				t.Errorf("without a usable %s: %v", name, err)
			}
		}
		if list, err := s.Senders(t.Context()); err != nil || len(list) != 0 {
			t.Fatalf("%d are stored (%v)", len(list), err)
		}
	})
	t.Run("A look is noted for the mailbox it was at", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		v := sender("contoso")
		no(t, s.PutSender(t.Context(), v))
		no(t, s.NoteSender(t.Context(), "contoso", "another", at.Add(time.Hour), time.Time{}, "gone"))
		no(t, s.NoteSender(t.Context(), "fabrikam", "box-1", at.Add(time.Hour), time.Time{}, "gone"))
		is(t, s, v)
		no(t, s.NoteSender(t.Context(), "contoso", "box-1", at.Add(2*time.Hour), at.Add(2*time.Hour), "full"))
		v.CheckedAt, v.TestedAt, v.Problem = at.Add(2*time.Hour), at.Add(2*time.Hour), "full"
		is(t, s, v)
		no(t, s.NoteSender(t.Context(), "contoso", "box-1", at.Add(time.Hour), at.Add(3*time.Hour), "older"))
		is(t, s, v)
		no(t, s.NoteSender(t.Context(), "contoso", "box-1", at.Add(3*time.Hour), time.Time{}, ""))
		v.CheckedAt, v.Problem = at.Add(3*time.Hour), ""
		is(t, s, v)
	})
}
