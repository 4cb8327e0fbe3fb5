package kill_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

const (
	tenant   = mspkit.TenantID("contoso")
	childEnv = "MSPKIT_TEST_KILL_CHILD"
)

var (
	jane   = verify.Technician{ID: "jane", Name: "Jane Doe"}
	ticket = mspkit.Ticket{System: "psa", ID: "4711"}
)

// orders are what the parent tells a child.
type orders struct {
	Name    string // of this child; its subjects and keys begin with it
	DSN     string
	Journal string
	Key     string
	Plan    plan
}

// newService returns a service on store whose deliveries and events go to j.
func newService(t *testing.T, store verify.Store, key string, j *journal, s *steps, ahead time.Duration) *verify.Service {
	t.Helper()
	k, err := mspkit.ParseKey(key)
	require.NoError(t, err)
	ring, err := mspkit.NewKeyRing(k)
	require.NoError(t, err)
	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{
		Brand:  mspkit.Brand{Name: "Contoso IT"},
		Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: 3},
	}), &verify.Options{
		Now:      func() time.Time { return time.Now().Add(ahead) },
		Channels: map[string]verify.Channel{"email": channel{j, s}},
		Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			s.step(false)
			err := j.add(line{What: "event", ID: e.Challenge, Event: &e})
			s.step(false)
			return err
		}),
	})
	require.NoError(t, err)
	return svc
}

// channel delivers into the journal.
type channel struct {
	j *journal
	s *steps
}

func (c channel) Deliver(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	c.s.step(false)
	err := c.j.add(line{What: "delivered", ID: d.Ref.ID, Code: d.Code.Reveal()})
	c.s.step(false)
	return verify.Receipt{ID: "m"}, err
}

func (channel) Assurance() verify.Assurance { return verify.AssuranceTeams }

func request(name string) verify.StartRequest {
	return verify.StartRequest{
		Tenant: tenant, Action: verify.ActionIdentify, Technician: jane, Ticket: ticket, Method: verify.MethodCode,
		Subject: verify.Subject{ID: name, Name: "Dana", Destinations: []verify.Destination{
			{Channel: "email", Address: name + "@contoso.example", FirstSeen: time.Now().Add(-365 * 24 * time.Hour)},
		}},
		IdempotencyKey: name,
	}
}

// code returns the last code that was delivered for a challenge.
func (j *journal) code(t *testing.T, id string) string {
	t.Helper()
	code := ""
	for _, l := range j.lines(t) {
		if l.What == "delivered" && l.ID == id {
			code = l.Code
		}
	}
	require.NotEmpty(t, code, "nothing was delivered for the challenge")
	return code
}

// other returns a code that is not the given one.
func other(code string) string {
	b := []byte(code)
	b[0] = '0' + (b[0]-'0'+1)%10
	return string(b)
}

// TestChild is the process that the parent starts and that kills itself; elsewhere it does nothing.
func TestChild(t *testing.T) {
	given := os.Getenv(childEnv)
	if given == "" {
		return
	}
	var o orders
	require.NoError(t, json.Unmarshal([]byte(given), &o))
	s := &steps{plan: o.Plan, total: map[string]int{}}
	j := openJournal(t, o.Journal)
	db := openStepping(t, o.DSN, s)
	defer db.Close()
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	require.NoError(t, err)
	svc := newService(t, store, o.Key, j, s, 0)
	ctx := t.Context()
	done := func(verb, id string) { require.NoError(t, j.add(line{What: verb, ID: id})) }

	s.phase = phaseAnswers
	// One is confirmed at the second try and its proof used.
	c, err := svc.Start(ctx, request(o.Name+"/right"))
	require.NoError(t, err)
	done("start", c.Ref.ID)
	code := j.code(t, c.Ref.ID)
	check := verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Technician: jane.ID, Response: other(code)}
	res, err := svc.Check(ctx, check)
	require.NoError(t, err)
	require.Equal(t, verify.StateWrong, res.State)
	check.Response = code
	res, err = svc.Check(ctx, check)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	done("confirm", c.Ref.ID)
	require.NoError(t, svc.Redeem(ctx, res.Proof, expect(o.Name+"/right"), "child"))
	done("redeem", c.Ref.ID)
	// The other fails.
	c, err = svc.Start(ctx, request(o.Name+"/wrong"))
	require.NoError(t, err)
	done("start", c.Ref.ID)
	check = verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Technician: jane.ID, Response: other(j.code(t, c.Ref.ID))}
	for range verify.MaxCodeTries {
		res, err = svc.Check(ctx, check)
		require.NoError(t, err)
	}
	require.Equal(t, verify.StateFailed, res.State)
	done("fail", c.Ref.ID)

	s.phase = phaseRecord
	require.NoError(t, svc.RunOnce(ctx))
	s.phase = ""
	if s.armed {
		select {} // the kill is on its way
	}
	if o.Plan.Phase != "" {
		require.NoError(t, errors.New("the planned step was not reached"))
	}
	b, err := json.Marshal(s.total)
	require.NoError(t, err)
	fmt.Printf("totals %s\n", b)
}

func expect(subject string) verify.Expect {
	return verify.Expect{Tenant: tenant, Subject: subject, Action: verify.ActionIdentify, Technician: jane.ID, Ticket: ticket}
}
