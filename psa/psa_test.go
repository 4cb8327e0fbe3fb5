package psa_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/stretchr/testify/require"
)

func TestAReferenceNamesTenantAndTicket(t *testing.T) {
	t.Parallel()
	ticket := mspkit.Ticket{System: "halopsa", ID: "1"}
	require.NoError(t, psa.TicketRef{Tenant: "contoso", Ticket: ticket}.Validate())
	require.ErrorIs(t, psa.TicketRef{Ticket: ticket}.Validate(), mspkit.ErrInvalid)
	require.ErrorIs(t, psa.TicketRef{Tenant: "contoso"}.Validate(), mspkit.ErrInvalid)
	require.ErrorIs(t, psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "halopsa"}}.Validate(), mspkit.ErrInvalid)
}

func TestANoteIsInternalUnlessItIsSaidOtherwise(t *testing.T) {
	t.Parallel()
	require.Equal(t, psa.Internal, psa.Note{}.Visibility)
	require.Equal(t, "internal", psa.Note{}.Visibility.String())
	require.Equal(t, "public", psa.Public.String())
	require.Equal(t, "internal", psa.Visibility(7).String(), "what is not known must not become public")
}

// homegrown is a ticket system of one's own.
type homegrown struct{}

func (homegrown) AddNote(_ context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	fmt.Printf("%s %s (%s): %s\n", ref.Tenant, ref.Ticket.ID, n.Visibility, n.Text)
	return "1", nil
}

func ExampleTicketNoter() {
	var noter psa.TicketNoter = homegrown{}
	ref := psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{ID: "4711"}}
	_, err := noter.AddNote(context.Background(), ref, psa.Note{Text: "Dana is verified."})
	fmt.Println(err)
	// Output:
	// contoso 4711 (internal): Dana is verified.
	// <nil>
}
