package graphentra

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
)

// Op is what a step does to the thing that it is about.
type Op string

// The operations, with the sign that [Plan.Print] puts before them.
const (
	Create Op = "create" // +
	Update Op = "update" // ~
	Remove Op = "remove" // -
)

// Kind says what a step is about, such as "application.update".
type Kind string

// Step is one thing that [Client.Apply] does, by one write to Graph. It holds no secret.
type Step struct {
	Kind Kind `json:"kind"`
	Op   Op   `json:"op"`
	// Object is the id in the tenant of what is changed; empty where that does not exist yet, and where it is found by its name.
	Object string `json:"object,omitempty"`
	// What names it for people.
	What string `json:"what"`
	// Danger says what to think about before it is applied; empty is nothing.
	Danger string `json:"danger,omitempty"`
	// Changes are what is changed. When the tenant has neither From nor To when it comes to the step, nothing is written and the
	// error is [ErrChanged].
	Changes []Change `json:"changes,omitempty"`
	// Begun says that an Apply has tried to make this client secret and nobody was given its value, so that the next one replaces
	// what came of it. Only [Result].Remaining has it.
	Begun bool `json:"begun,omitempty"`
}

// Kept is something that is in the tenant, was not asked for, and is left alone.
type Kept struct {
	// What says what kind of thing, such as "redirect URI", and Which one.
	What  string `json:"what"`
	Which string `json:"which"`
}

// Plan is the difference between what is desired and what is in the tenant. [Client.Plan] makes it, [Client.Apply] does it. It can
// be stored as JSON, with [Plan.MarshalJSON] and [ParsePlan], and holds no secrets: but whoever can change a stored plan decides
// what is done with it.
type Plan struct {
	// ID is this plan's own.
	ID string
	// Tenant is the host's name of the tenant, and Key is [Desired].Key.
	Tenant mspkit.TenantID
	Key    string
	// AppID is [Desired].AppID.
	AppID string
	// Graph is the object id of Microsoft Graph's service principal in the tenant, by which Apply sees that it is in the same tenant.
	Graph string
	// Made is when the tenant was read.
	Made time.Time
	// Steps are what there is to do, in order.
	Steps []Step
	// Kept is what is left alone, and Notes is what an administrator should know.
	Kept  []Kept
	Notes []string
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Dangers returns the steps that have something to think about.
func (p *Plan) Dangers() []Step {
	var out []Step
	for _, s := range p.Steps {
		if s.Danger != "" {
			out = append(out, s)
		}
	}
	return out
}

// planVersion is of the form in which plans are stored.
const planVersion = 1

type planJSON struct {
	Version int             `json:"version"`
	ID      string          `json:"id"`
	Tenant  mspkit.TenantID `json:"tenant"`
	Key     string          `json:"key"`
	AppID   string          `json:"appId,omitempty"`
	Graph   string          `json:"graph"`
	Made    time.Time       `json:"made"`
	Steps   []Step          `json:"steps"`
	Kept    []Kept          `json:"kept,omitempty"`
	Notes   []string        `json:"notes,omitempty"`
}

// MarshalJSON returns the plan for [ParsePlan].
func (p *Plan) MarshalJSON() ([]byte, error) {
	return json.Marshal(planJSON{planVersion, p.ID, p.Tenant, p.Key, p.AppID, p.Graph, p.Made, p.Steps, p.Kept, p.Notes})
}

// UnmarshalJSON is [ParsePlan].
func (p *Plan) UnmarshalJSON(b []byte) error {
	got, err := ParsePlan(b)
	if err != nil {
		return err
	}
	*p = *got
	return nil
}

// Bounds of a stored plan.
const (
	maxPlan  = 1 << 20
	maxSteps = 2000
)

// ParsePlan reads a plan that was stored as JSON. What it does not know it refuses, with [mspkit.ErrInvalid]: a step that is passed
// over would be a step that was not done.
func ParsePlan(b []byte) (*Plan, error) {
	if len(b) > maxPlan {
		return nil, fmt.Errorf("graphentra: a plan has at most %d bytes: %w", maxPlan, mspkit.ErrInvalid)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	var j planJSON
	if err := d.Decode(&j); err != nil {
		return nil, fmt.Errorf("graphentra: this is no plan: %w", mspkit.ErrInvalid)
	}
	if d.More() {
		return nil, fmt.Errorf("graphentra: something follows the plan: %w", mspkit.ErrInvalid)
	}
	if j.Version != planVersion {
		return nil, fmt.Errorf("graphentra: a plan of version %d cannot be read: %w", j.Version, mspkit.ErrInvalid)
	}
	p := &Plan{j.ID, j.Tenant, j.Key, j.AppID, j.Graph, j.Made, j.Steps, j.Kept, j.Notes}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// check reports what is wrong with a plan from elsewhere.
func (p *Plan) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("graphentra: plan: "+format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	if uuid.Validate(p.ID) != nil || uuid.Validate(p.Graph) != nil {
		bad("it has no id, or no tenant of Microsoft 365")
	}
	if p.AppID != "" && uuid.Validate(p.AppID) != nil {
		bad("the id of the application is no UUID")
	}
	if p.Tenant == "" {
		bad("it has no tenant")
	}
	if !keyPattern.MatchString(p.Key) {
		bad("it has no key")
	}
	if len(p.Steps) > maxSteps {
		bad("it has more than %d steps", maxSteps)
	}
	for i, s := range p.Steps {
		if partOf(s.Kind) == nil {
			bad("step %d is of an unknown kind", i+1)
		}
		if s.Op != Create && s.Op != Update && s.Op != Remove {
			bad("step %d does neither create, update nor remove", i+1)
		}
		if s.Object != "" && !objectPattern.MatchString(s.Object) {
			bad("the object of step %d is no id", i+1)
		}
	}
	return errors.Join(errs...)
}
