package graphfake

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func unsupported(format string, args ...any) *apiError {
	return fail(http.StatusBadRequest, "Request_UnsupportedQuery", format, args...)
}

// selected reads $select of a collection of users. nil is none given.
func (c *call) selected(text string, delta bool) (ps []*property, manager bool, e *apiError) {
	if text == "" {
		return nil, false, nil
	}
	seen := map[string]bool{}
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if seen[name] {
			continue
		}
		seen[name] = true
		switch p := userByName[name]; {
		case p != nil:
			ps = append(ps, p)
		case name == "manager" && delta:
			manager = true
		case slices.Contains(elsewhere, name):
			return nil, false, fail(http.StatusNotImplemented, "NotImplemented", "The property '%s' cannot be read of a collection.", name)
		default:
			return nil, false, badRequest("Could not find a property named '%s' on type 'microsoft.graph.user'.", name)
		}
	}
	return ps, manager, nil
}

// top reads $top.
func (c *call) top(otherwise, most int) (int, *apiError) {
	text, ok := c.q["$top"]
	if !ok {
		return min(otherwise, c.s.o.MaxPageSize), nil
	}
	n, err := strconv.Atoi(text[0])
	if err != nil || n < 1 || n > most {
		return 0, badRequest("Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", text[0], most)
	}
	return min(n, c.s.o.MaxPageSize), nil
}

// eventual says whether advanced queries are allowed.
func (c *call) eventual() bool {
	return strings.EqualFold(c.r.Header.Get("ConsistencyLevel"), "eventual")
}

func (c *call) counted() bool { return c.q.Get("$count") == "true" }

// advanced refuses what needs ConsistencyLevel and $count.
func (c *call) advanced(what string) *apiError {
	if c.eventual() && c.counted() {
		return nil
	}
	return unsupported("%s is an advanced query: the header 'ConsistencyLevel: eventual' and '$count=true' are needed.", what)
}

// token is what a link carries. It is bound to a tenant and a collection.
type linkToken struct {
	Tenant string `json:"t"`
	Kind   string `json:"k"`
	Epoch  int    `json:"e,omitempty"`
	Made   int64  `json:"m,omitempty"` // Unix seconds
	// Select is what was asked for in the beginning, Filter the ids.
	Select string   `json:"s,omitempty"`
	Filter []string `json:"f,omitempty"`
	// At is the next slot of a first round or list, or the position in the log in a later one.
	At int `json:"a,omitempty"`
	// Since and Until bound a later round; in a first one Since is when it began.
	Since int  `json:"i,omitempty"`
	Until int  `json:"u,omitempty"`
	Later bool `json:"l,omitempty"`
	// Again is 1 more than the slot whose item comes again; Empty means that this page has nothing.
	Again int  `json:"g,omitempty"`
	Empty bool `json:"n,omitempty"`
}

func (k *linkToken) String() string {
	b, err := json.Marshal(k)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// open reads a token; what is not one of this tenant and collection is a fault.
func (c *call) open(text, kind string) (*linkToken, *apiError) {
	bad := badRequest("Badly formed token.")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, bad
	}
	var k linkToken
	if json.Unmarshal(b, &k) != nil || k.Tenant != c.t.ID || k.Kind != kind || min(k.At, k.Since, k.Until, k.Again) < 0 {
		return nil, bad
	}
	return &k, nil
}

// link is the URL of the request with other options.
func (c *call) link(set ...string) string {
	var b strings.Builder
	b.WriteString(c.s.base(c.r))
	b.WriteString(c.r.URL.EscapedPath())
	sep := byte('?')
	add := func(name, text string) {
		b.WriteByte(sep)
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(escape(text))
		sep = '&'
	}
	for _, name := range []string{"$filter", "$select", "$expand", "$orderby", "$search", "$count", "$top"} {
		if v, ok := c.q[name]; ok && set[0] != "$deltatoken" && !c.isDelta() {
			add(name, v[0])
		}
	}
	for i := 0; i+1 < len(set); i += 2 {
		add(set[i], set[i+1])
	}
	return b.String()
}

func (c *call) isDelta() bool { return strings.HasSuffix(c.r.URL.Path, "/delta") }
