// Package graphcontract holds requests to Microsoft Graph, and answers to them, against the description that Microsoft
// publishes: paths, parameters, properties, types and words. That is not part of this repository: it lies in the folder
// MSPKIT_CONTRACTS, or in ../shared/contracts beside the checkout.
package graphcontract

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Request is one that was sent.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte
	// Status and Answer are what came back; a status of 0 is nothing.
	Status int
	Answer []byte
}

// folder is where published files are, and whether somebody said so.
func folder() (dir string, said bool) {
	if dir = os.Getenv("MSPKIT_CONTRACTS"); dir != "" { //nolint:forbidigo // this is part of tests
		return dir, true
	}
	return filepath.Join("..", "..", "..", "..", "shared", "contracts"), false
}

// File returns a published file, or skips the test. Where nobody said in which folder it is, it need not be there.
func File(t testing.TB, name string) []byte {
	t.Helper()
	dir, said := folder()
	b, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // the names stand in tests
	switch {
	case err == nil:
	case said:
		t.Fatalf("MSPKIT_CONTRACTS does not hold it: %v", err)
	default:
		t.Skipf("mspkit-needs: %s, in MSPKIT_CONTRACTS or in ../shared/contracts beside the checkout: %v", name, err)
	}
	return b
}

// Contract is the description. Make one with [Open]. It is safe for concurrent use.
type Contract struct {
	doc   *openapi3.T
	paths [][]string // the templates in segments
}

var (
	loading sync.Mutex
	loaded  *openapi3.T // read once: it has 48,000 lines
)

// Open reads the description, or skips the test where it is not there.
func Open(t testing.TB) *Contract {
	t.Helper()
	b := File(t, "graph-v1.0-subset.yaml")
	loading.Lock()
	defer loading.Unlock()
	if loaded == nil {
		doc, err := openapi3.NewLoader().LoadFromData(b)
		if err != nil {
			t.Fatalf("the description of Graph: %v", err)
		}
		loaded = doc
	}
	j := &Contract{doc: loaded}
	for p := range loaded.Paths.Map() {
		j.paths = append(j.paths, strings.Split(p, "/"))
	}
	return j
}

// Version is what each path begins with.
const Version = "/v1.0"

// Template returns the path of the description that a path of a request is an instance of. Where several are, the one that
// has a word where the other has a parameter counts: /users/delta is no user.
func (j *Contract) Template(path string) (string, bool) {
	segments := strings.Split(path, "/")
	var best []string
	for _, p := range j.paths {
		if Fits(p, segments) && (best == nil || more(p, best)) {
			best = p
		}
	}
	return strings.Join(best, "/"), best != nil
}

// Fits reports whether the segments of a path are an instance of those of a template.
func Fits(template, segments []string) bool {
	return slices.EqualFunc(template, segments, func(t, s string) bool {
		if strings.HasPrefix(t, "{") {
			return s != "" && !strings.HasPrefix(s, "$") // "$count" and "$batch" are never an id
		}
		return t == s
	})
}

// more reports whether a has a word where b has its first parameter that a has not.
func more(a, b []string) bool {
	for i := range a {
		if pa, pb := strings.HasPrefix(a[i], "{"), strings.HasPrefix(b[i], "{"); pa != pb {
			return pb
		}
	}
	return false
}

// entities are what lists have whose items the description calls by the name of what all objects of the directory have in
// common, which may have any property, and what is counted where the description has the number only.
var entities = map[string]string{
	"/users/$count":   "microsoft.graph.user",
	"/users/delta":    "microsoft.graph.user",
	"/contacts/delta": "microsoft.graph.orgContact",
}

// entity returns what a path gives, one or many of it; nil is nothing with properties.
func (j *Contract) entity(template string, op *openapi3.Operation) *openapi3.Schema {
	if name, ok := entities[template]; ok {
		return j.doc.Components.Schemas[name].Value
	}
	for _, status := range []string{"200", "201"} {
		r := op.Responses.Value(status)
		if r == nil || r.Value == nil {
			continue
		}
		m := r.Value.Content.Get("application/json")
		if m == nil {
			continue
		}
		s := m.Schema.Value
		if v := s.Properties["value"]; v != nil && v.Value.Items != nil {
			s = v.Value.Items.Value
		}
		return s
	}
	return nil
}

// Check returns all that is wrong with a request to an operation of the description.
func (j *Contract) Check(r *Request, template string) error {
	op := j.doc.Paths.Value(template).GetOperation(r.Method)
	if op == nil {
		return fmt.Errorf("%s has no method %s", template, r.Method)
	}
	errs := checkQuery(op, j.entity(template, op), r.URL.RawQuery, r.Header)
	errs = append(errs, checkHeader(r.Header)...)
	return errors.Join(append(errs, checkBody(op, r))...)
}

// checkQuery knows the parameters of OData, which the description knows as words without meaning.
func checkQuery(op *openapi3.Operation, entity *openapi3.Schema, raw string, h http.Header) (errs []error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return []error{fmt.Errorf("the query: %w", err)}
	}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for name, values := range query {
		p := op.Parameters.GetByInAndName(openapi3.ParameterInQuery, name)
		switch {
		case p == nil:
			bad("the operation has no parameter %q", name)
			continue
		case len(values) > 1:
			bad("%q is there more than once", name)
		}
		v := values[0]
		if err := p.Schema.Value.VisitJSON(queryValue(p.Schema.Value, v)); err != nil {
			bad("%s=%q: %w", name, v, err)
		}
		switch name {
		case "$select":
			for prop := range strings.SplitSeq(v, ",") {
				errs = append(errs, known("$select", entity, prop))
			}
		case "$orderby":
			for prop := range strings.SplitSeq(v, ",") {
				prop, dir, _ := strings.Cut(prop, " ")
				if dir != "" && dir != "asc" && dir != "desc" {
					bad("$orderby in a direction %q", dir)
				}
				errs = append(errs, known("$orderby", entity, prop))
			}
		case "$expand":
			errs = append(errs, checkExpand(entity, v))
		case "$filter":
			errs = append(errs, checkFilter(entity, v)...)
		case "$search":
			// https://learn.microsoft.com/graph/search-query-parameter: quoted, and of directory objects with that header only.
			if !strings.HasPrefix(v, `"`) || !strings.HasSuffix(v, `"`) {
				bad("$search is not in quotes: %q", v)
			}
			if h.Get("ConsistencyLevel") != "eventual" {
				bad("$search without ConsistencyLevel: eventual")
			}
		}
	}
	return errs
}

// queryValue is a parameter as its schema counts it.
func queryValue(s *openapi3.Schema, v string) any {
	switch {
	case s.Type.Is("integer"):
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return float64(n)
		}
	case s.Type.Is("boolean"):
		if v == "true" || v == "false" {
			return v == "true"
		}
	}
	return v
}

// known refuses a property that an entity has not. path may go into complex properties: "employeeOrgData/division".
func known(where string, entity *openapi3.Schema, path string) error {
	s := entity
	for name := range strings.SplitSeq(path, "/") {
		if s == nil {
			return fmt.Errorf("%s %q: there is nothing that has properties", where, path)
		}
		p := s.Properties[name]
		if p == nil || strings.Contains(name, "@") {
			return fmt.Errorf("%s: there is no property %q", where, path)
		}
		s = p.Value
		if s.Items != nil {
			s = s.Items.Value
		}
	}
	return nil
}

var expansion = regexp.MustCompile(`^([A-Za-z]+)(?:\(\$select=([A-Za-z,]+)\))?$`)

// checkExpand knows several properties, or one with or without a $select of its own, which is what this module needs.
func checkExpand(entity *openapi3.Schema, v string) error {
	if first, rest, many := strings.Cut(v, ","); many && !strings.Contains(v, "(") {
		return errors.Join(checkExpand(entity, first), checkExpand(entity, rest))
	}
	m := expansion.FindStringSubmatch(v)
	if m == nil {
		return fmt.Errorf("$expand=%q is more than this test understands", v)
	}
	if err := known("$expand", entity, m[1]); err != nil {
		return err
	}
	ref := entity.Properties[m[1]]
	if ref.Value.Items != nil {
		ref = ref.Value.Items
	}
	if ref.Ref == "" { // a property with a value is selected, not expanded
		return fmt.Errorf("$expand: %q leads nowhere", m[1])
	}
	var errs []error
	if m[2] != "" {
		for prop := range strings.SplitSeq(m[2], ",") {
			errs = append(errs, known("$select in $expand", ref.Value, prop))
		}
	}
	return errors.Join(errs...)
}

// Quoted and GUID find texts and ids, for those who compare requests without them.
var (
	Quoted  = regexp.MustCompile(`'(?:[^']|'')*'`)
	GUID    = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	lambda  = regexp.MustCompile(`/(?:any|all)\(([a-z]+):`)
	word    = regexp.MustCompile(`[A-Za-z][A-Za-z0-9/]*`)
	// odata are the words of the language itself.
	odata = strings.Fields("eq ne gt ge lt le and or not in null true false startswith endswith contains any all count")
)

// checkFilter looks at the names in a filter only: its grammar is not judged.
func checkFilter(entity *openapi3.Schema, v string) (errs []error) {
	rest := Quoted.ReplaceAllString(v, "0")
	rest = instant.ReplaceAllString(GUID.ReplaceAllString(rest, "0"), "0")
	if strings.Contains(rest, "'") {
		errs = append(errs, fmt.Errorf("$filter=%q: a text does not end", v))
	}
	vars := map[string]bool{}
	for _, m := range lambda.FindAllStringSubmatch(rest, -1) {
		vars[m[1]] = true
	}
	for _, w := range word.FindAllString(rest, -1) {
		w = strings.TrimSuffix(strings.TrimSuffix(w, "/any"), "/all")
		first, _, _ := strings.Cut(w, "/")
		if slices.Contains(odata, w) || vars[first] {
			continue
		}
		errs = append(errs, known("$filter", entity, strings.TrimSuffix(w, "/$count")))
	}
	return errs
}

// headers are what a request to Graph may have. A nil expression is any value.
//
// Sources: https://learn.microsoft.com/graph/best-practices-concept, https://learn.microsoft.com/graph/api/application-upsert, https://learn.microsoft.com/graph/api/user-delta,
// https://learn.microsoft.com/graph/outlook-immutable-id and https://learn.microsoft.com/graph/api/message-get.
var headers = map[string]*regexp.Regexp{
	"Authorization":            regexp.MustCompile(`^Bearer [^ ]+$`),
	"Accept":                   regexp.MustCompile(`^(application/json|\*/\*)$`),
	"Accept-Encoding":          nil,
	"User-Agent":               regexp.MustCompile(`mspkit`),
	"Client-Request-Id":        regexp.MustCompile("^" + GUID.String() + "$"),
	"Return-Client-Request-Id": regexp.MustCompile(`^true$`),
	"Content-Type":             nil, // see checkBody
	"Content-Length":           nil,
	"If-Match":                 nil,
	"Consistencylevel":         regexp.MustCompile(`^eventual$`),
	"Prefer":                   nil,
}

var preference = regexp.MustCompile(`^(odata\.maxpagesize=[1-9][0-9]{0,3}|IdType="ImmutableId"|outlook\.body-content-type="(text|html)"|return=minimal|create-if-missing)$`)

func checkHeader(h http.Header) (errs []error) {
	for name, values := range h {
		rule, ok := headers[http.CanonicalHeaderKey(name)]
		if !ok {
			errs = append(errs, fmt.Errorf("the header %s is not known", name))
		}
		for _, v := range values {
			if rule != nil && !rule.MatchString(v) {
				errs = append(errs, fmt.Errorf("the header %s has a value that is not known", name))
			}
			if http.CanonicalHeaderKey(name) != "Prefer" {
				continue
			}
			for p := range strings.SplitSeq(v, ",") {
				if !preference.MatchString(strings.TrimSpace(p)) {
					errs = append(errs, fmt.Errorf("the preference %q is not known", p))
				}
			}
		}
	}
	return errs
}

// checkBody is where a schema judges: it is closed, so a property that Graph does not know is an error.
func checkBody(op *openapi3.Operation, r *Request) error {
	if op.RequestBody == nil {
		if len(r.Body) > 0 {
			return fmt.Errorf("the operation takes no body, and there are %d bytes", len(r.Body))
		}
		return nil
	}
	body := op.RequestBody.Value
	if len(r.Body) == 0 {
		if body.Required {
			return errors.New("the operation needs a body")
		}
		return nil
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	m := body.Content[kind]
	if m == nil {
		return fmt.Errorf("the operation takes no body of the type %q", kind)
	}
	if kind != "application/json" {
		return nil
	}
	var v any
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	if err := m.Schema.Value.VisitJSON(v, openapi3.VisitAsRequest(), openapi3.MultiErrors()); err != nil {
		return fmt.Errorf("the body: %w", short(err))
	}
	return nil
}

// statuses are documented where the description has 200 for everything that is not a list.
var statuses = map[string]int{
	"PATCH /users/{user-id}":                                   http.StatusNoContent, // https://learn.microsoft.com/graph/api/user-update
	"PATCH /applications/{application-id}":                     http.StatusNoContent, // https://learn.microsoft.com/graph/api/application-update
	"PATCH /servicePrincipals/{servicePrincipal-id}":           http.StatusNoContent, // https://learn.microsoft.com/graph/api/serviceprincipal-update
	"PATCH /oauth2PermissionGrants/{oAuth2PermissionGrant-id}": http.StatusNoContent, // https://learn.microsoft.com/graph/api/oauth2permissiongrant-update
	// https://learn.microsoft.com/graph/api/federatedidentitycredential-update
	"PATCH /applications/{application-id}/federatedIdentityCredentials/{federatedIdentityCredential-id}": http.StatusNoContent,
	// https://learn.microsoft.com/graph/api/conditionalaccesspolicy-update
	"PATCH /identity/conditionalAccess/policies/{conditionalAccessPolicy-id}": http.StatusNoContent,
	// https://learn.microsoft.com/graph/api/attachment-createuploadsession
	"POST /users/{user-id}/messages/{message-id}/attachments/createUploadSession": http.StatusCreated,
}

// Answer returns what is wrong with the answer to a request: the server in this process is held against the description
// as well, because what is never answered by Graph proves nothing.
func (j *Contract) Answer(r *Request, template string) error {
	op := j.doc.Paths.Value(template).GetOperation(r.Method)
	status := strconv.Itoa(r.Status)
	res := op.Responses.Value(status)
	if res == nil && r.Status >= 400 {
		res = op.Responses.Value(status[:1] + "XX")
	}
	if other := statuses[r.Method+" "+template]; res == nil && other == r.Status {
		if other == http.StatusNoContent {
			return nil
		}
		res = op.Responses.Value("200")
	}
	if res == nil {
		return fmt.Errorf("the operation has no answer %d", r.Status)
	}
	m := res.Value.Content.Get("application/json")
	if m == nil || len(r.Answer) == 0 {
		return nil // a picture, or nothing
	}
	var v any
	if err := json.Unmarshal(r.Answer, &v); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	if o, ok := v.(map[string]any); ok { // annotations that are documented and not described
		delete(o, "@odata.mediaContentType")
		delete(o, "@odata.mediaEtag")
	}
	errs := []error{m.Schema.Value.VisitJSON(v, openapi3.VisitAsResponse(), openapi3.MultiErrors())}
	if page, ok := v.(map[string]any); ok && entities[template] != "" {
		items, _ := page["value"].([]any)
		for _, item := range items {
			errs = append(errs, j.entity(template, op).VisitJSON(item, openapi3.VisitAsResponse(), openapi3.MultiErrors()))
		}
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = short(err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	return nil
}

// short is an error of the validator without the schema, which has thousands of lines.
func short(err error) error {
	if all, ok := errors.AsType[openapi3.MultiError](err); ok {
		var errs []error
		for _, e := range all {
			errs = append(errs, short(e))
		}
		return errors.Join(errs...)
	}
	if one, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return fmt.Errorf("/%s: %s", strings.Join(one.JSONPointer(), "/"), one.Reason)
	}
	return err
}

// Shape is a request without what differs from one to the next: ids, tokens, values.
func (r *Request) Shape(template string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-6s %s", r.Method, template)
	query := r.URL.Query()
	sep := "?"
	for _, name := range SortedKeys(query) {
		v := query.Get(name)
		switch {
		case strings.HasSuffix(name, "token"):
			v = "…"
		case name == "$filter":
			v = Quoted.ReplaceAllString(GUID.ReplaceAllString(v, "…"), "'…'")
		case name == "$search":
			v = "…"
		}
		b.WriteString(sep + name + "=" + v)
		sep = "&"
	}
	for _, name := range []string{"Consistencylevel", "Prefer", "Content-Range"} {
		for _, v := range r.Header.Values(name) {
			if name == "Content-Range" {
				v = "…"
			}
			b.WriteString("  [" + name + ": " + v + "]")
		}
	}
	var v any
	if len(r.Body) > 0 && json.Unmarshal(r.Body, &v) == nil && !strings.HasSuffix(template, "/$batch") {
		names := map[string]bool{}
		properties("", v, names)
		b.WriteString("  {" + strings.Join(SortedKeys(names), " ") + "}")
	}
	return b.String()
}

// properties collects the names in a body.
func properties(at string, v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			name := strings.TrimPrefix(at+"."+k, ".")
			below := map[string]bool{}
			if properties(name, e, below); len(below) == 0 {
				below[name] = true
			}
			maps.Copy(into, below)
		}
	case []any:
		for _, e := range v {
			properties(at, e, into)
		}
	}
}

// SortedKeys are the keys of a map in order.
func SortedKeys[V any, M ~map[string]V](m M) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
