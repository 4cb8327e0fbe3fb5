package teamsapp_test

import (
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

func ExampleCard() {
	card := &teamsapp.Card{
		Summary: "Contoso IT has a code for you",
		Locale:  "en",
		Body: []teamsapp.Element{
			teamsapp.Heading{Text: "Your code"},
			teamsapp.Text{Text: "Read it to the technician who is on the phone with you, and to nobody else."},
			teamsapp.Facts{{Name: "Asked by", Value: "Ann Smith"}, {Name: "For", Value: "Reset of your password"}},
			teamsapp.Secret{Value: mspkit.Redact("481516"), Label: "Code"},
		},
		Actions: []teamsapp.Action{
			teamsapp.Press{Title: "This is not me", Verb: "deny", Data: map[string]string{"id": "v1"}, Danger: true, NoInputs: true},
		},
	}
	if err := card.Validate(); err != nil {
		fmt.Println(err)
	}
	fmt.Println(card.Text())
	// Output:
	// Contoso IT has a code for you
	// Your code
	// Read it to the technician who is on the phone with you, and to nobody else.
	// Asked by: Ann Smith
	// For: Reset of your password
}
