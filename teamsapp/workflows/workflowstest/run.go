package workflowstest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Run is one run of a flow, as its history shows it.
type Run struct {
	// ID is what the caller was told, TrackingID the name that the caller gave it.
	ID, TrackingID string
	// Flow is the name of the flow.
	Flow string
	At   time.Time
	// Error is why it failed, of which the caller did not learn; empty where it stands in the channel.
	Error string
	// Text is what a flow of kind [Text] posted, Cards what one of kind [Template] did.
	Text  string
	Cards []json.RawMessage
	// Body is what was sent.
	Body json.RawMessage
}

// maxPost is how much Teams takes of one message
// (https://learn.microsoft.com/connectors/teams#limits): about 28 KB, taken for the smaller of its two meanings.
const maxPost = 28_000

// start runs the flow and returns the id of the run. The caller holds the lock.
func (s *Server) start(f *flow, r *http.Request, body []byte) string {
	run := Run{
		ID: "0858" + digits(16) + "CU" + digits(2), TrackingID: r.Header.Get("x-ms-client-tracking-id"), Flow: f.name, At: time.Now(),
		Body: slices.Clone(body),
	}
	run.Error = f.run(&run, read(r, body))
	if run.Error != "" {
		run.Text, run.Cards = "", nil
	}
	s.runs = append(s.runs, run)
	close(s.changed)
	s.changed = make(chan struct{})
	return run.ID
}

// run does what the flow does after its trigger answered, and returns why it failed.
func (f *flow) run(run *Run, m map[string]any) string {
	if m == nil {
		return "InvalidTemplate. Unable to process template language expressions: the body of the trigger is not JSON."
	}
	if f.Kind == Text {
		text, ok := m["text"].(string)
		if !ok {
			return "ActionFailed. Parse JSON: Invalid type. Expected String but got " + kindOf(m["text"]) + "."
		}
		if len(text) > maxPost {
			return "RequestEntityTooLarge. Request Entity too large"
		}
		run.Text = text
		return ""
	}
	list, ok := m["attachments"].([]any)
	if !ok {
		return "ExpressionEvaluationFailed. The execution of template action 'Send_each_adaptive_card' failed: the result of the evaluation of 'foreach' expression \"@triggerOutputs()?['body']?['attachments']\" is of type '" +
			kindOf(m["attachments"]) + "'. The result must be a valid array."
	}
	for _, a := range list {
		card, why := cardOf(a)
		if why != "" {
			return why
		}
		run.Cards = append(run.Cards, card)
	}
	return ""
}

// cardOf returns the card of an attachment, or why "Post card in a chat or channel" fails.
func cardOf(a any) (json.RawMessage, string) {
	m, _ := a.(map[string]any)
	content, _ := m["content"].(map[string]any)
	version, _ := content["version"].(string)
	minor, one := strings.CutPrefix(version, "1.")
	n, err := strconv.Atoi(minor)
	b, _ := json.Marshal(content)
	switch {
	case m["contentType"] != "application/vnd.microsoft.card.adaptive":
		return nil, "BadRequest. The attachment is no Adaptive Card."
	case content["type"] != "AdaptiveCard":
		return nil, "BadRequest. Property 'type' must be 'AdaptiveCard'."
	case !one || err != nil || n > 5:
		return nil, "BadRequest. The version of the card is not supported."
	case len(b) > maxPost:
		return nil, "RequestEntityTooLarge. Request Entity too large"
	}
	return b, ""
}

// mismatch says why the body does not fit the trigger's schema, or nothing.
func (f *flow) mismatch(m map[string]any) string {
	name, want := "attachments", "Array"
	if f.Kind == Text {
		name, want = "text", "String"
	}
	if _, there := m[name]; !there {
		return "Required properties are missing from object: " + name + "."
	}
	if got := kindOf(m[name]); got != want {
		return fmt.Sprintf("Invalid type. Expected %s but got %s.", want, got)
	}
	return ""
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "Null"
	case string:
		return "String"
	case bool:
		return "Boolean"
	case float64:
		return "Float"
	case []any:
		return "Array"
	}
	return "Object"
}

// Shown returns what people read in the channel: the text, or the texts of the cards with their buttons, a line each.
// Markup is left as it came.
func (r Run) Shown() string {
	if r.Text != "" {
		return r.Text
	}
	var lines []string
	for _, c := range r.Cards {
		var m map[string]any
		if json.Unmarshal(c, &m) == nil {
			lines = append(lines, texts(m)...)
		}
	}
	return strings.Join(lines, "\n")
}

// Buttons returns the titles of the cards' buttons with the addresses that they open.
func (r Run) Buttons() map[string]string {
	out := map[string]string{}
	for _, c := range r.Cards {
		var m struct {
			Actions []struct{ Type, Title, URL string }
		}
		if json.Unmarshal(c, &m) != nil {
			continue
		}
		for _, a := range m.Actions {
			if a.Type == "Action.OpenUrl" {
				out[a.Title] = a.URL
			}
		}
	}
	return out
}

// texts returns the texts of an element and of what stands in it, in order.
func texts(m map[string]any) []string {
	var out []string
	kind, _ := m["type"].(string)
	if kind == "RichTextBlock" {
		var line strings.Builder
		runs, _ := m["inlines"].([]any)
		for _, run := range runs {
			switch run := run.(type) {
			case string:
				line.WriteString(run)
			case map[string]any:
				s, _ := run["text"].(string)
				line.WriteString(s)
			}
		}
		return []string{line.String()}
	}
	for _, name := range []string{"text", "title"} {
		if s, ok := m[name].(string); ok && s != "" {
			out = append(out, s)
		}
	}
	for _, name := range []string{"body", "columns", "items", "actions"} {
		list, _ := m[name].([]any)
		for _, e := range list {
			if e, ok := e.(map[string]any); ok {
				out = append(out, texts(e)...)
			}
		}
	}
	return out
}

func digits(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, says its documentation
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b)
}
