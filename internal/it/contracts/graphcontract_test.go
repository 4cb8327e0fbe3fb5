package contracts

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// graphDoc is the description of Microsoft Graph, read once: it has 48,000 lines.
var graphDoc = sync.OnceValues(func() (*openapi3.T, error) {
	b, err := contractFile("graph-v1.0-subset.yaml")
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(b)
})

// judge holds requests against the description of Graph.
type judge struct {
	doc   *openapi3.T
	paths [][]string        // the templates in segments
	hosts map[string]string // what is called "graph" and so on
}

func newJudge(t testing.TB) *judge {
	t.Helper()
	contract(t, "graph-v1.0-subset.yaml") // skips where it is not there
	doc, err := graphDoc()
	require.NoError(t, err)
	j := &judge{doc: doc}
	for p := range doc.Paths.Map() {
		j.paths = append(j.paths, strings.Split(p, "/"))
	}
	return j
}

// version is what each path begins with.
const version = "/v1.0"

// template returns the path of the description that a path of a request is an instance of. Where several are, the one that
// has a word where the other has a parameter counts: /users/delta is no user.
func (j *judge) template(path string) (string, bool) {
	segments := strings.Split(path, "/")
	var best []string
	for _, p := range j.paths {
		if fits(p, segments) && (best == nil || more(p, best)) {
			best = p
		}
	}
	return strings.Join(best, "/"), best != nil
}

func fits(template, segments []string) bool {
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
func (j *judge) entity(template string, op *openapi3.Operation) *openapi3.Schema {
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

// check returns all that is wrong with a request to an operation of the description.
func (j *judge) check(r *request, template string) error {
	op := j.doc.Paths.Value(template).GetOperation(r.method)
	if op == nil {
		return fmt.Errorf("%s has no method %s", template, r.method)
	}
	errs := checkQuery(op, j.entity(template, op), r.url.RawQuery, r.header)
	errs = append(errs, checkHeader(r.header)...)
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

var (
	quoted  = regexp.MustCompile(`'(?:[^']|'')*'`)
	guid    = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	lambda  = regexp.MustCompile(`/(?:any|all)\(([a-z]+):`)
	word    = regexp.MustCompile(`[A-Za-z][A-Za-z0-9/]*`)
	// odata are the words of the language itself.
	odata = strings.Fields("eq ne gt ge lt le and or not in null true false startswith endswith contains any all count")
)

// checkFilter looks at the names in a filter only: its grammar is not judged.
func checkFilter(entity *openapi3.Schema, v string) (errs []error) {
	rest := quoted.ReplaceAllString(v, "0")
	rest = instant.ReplaceAllString(guid.ReplaceAllString(rest, "0"), "0")
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
// Sources: https://learn.microsoft.com/graph/best-practices-concept, https://learn.microsoft.com/graph/api/user-delta,
// https://learn.microsoft.com/graph/outlook-immutable-id and https://learn.microsoft.com/graph/api/message-get.
var headers = map[string]*regexp.Regexp{
	"Authorization":            regexp.MustCompile(`^Bearer [^ ]+$`),
	"Accept":                   regexp.MustCompile(`^(application/json|\*/\*)$`),
	"Accept-Encoding":          nil,
	"User-Agent":               regexp.MustCompile(`mspkit`),
	"Client-Request-Id":        regexp.MustCompile("^" + guid.String() + "$"),
	"Return-Client-Request-Id": regexp.MustCompile(`^true$`),
	"Content-Type":             nil, // see checkBody
	"Content-Length":           nil,
	"If-Match":                 nil,
	"Consistencylevel":         regexp.MustCompile(`^eventual$`),
	"Prefer":                   nil,
}

var preference = regexp.MustCompile(`^(odata\.maxpagesize=[1-9][0-9]{0,3}|IdType="ImmutableId"|outlook\.body-content-type="(text|html)"|return=minimal)$`)

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
func checkBody(op *openapi3.Operation, r *request) error {
	if op.RequestBody == nil {
		if len(r.body) > 0 {
			return fmt.Errorf("the operation takes no body, and there are %d bytes", len(r.body))
		}
		return nil
	}
	body := op.RequestBody.Value
	if len(r.body) == 0 {
		if body.Required {
			return errors.New("the operation needs a body")
		}
		return nil
	}
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	m := body.Content[kind]
	if m == nil {
		return fmt.Errorf("the operation takes no body of the type %q", kind)
	}
	if kind != "application/json" {
		return nil
	}
	var v any
	if err := json.Unmarshal(r.body, &v); err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	if err := m.Schema.Value.VisitJSON(v, openapi3.VisitAsRequest(), openapi3.MultiErrors()); err != nil {
		return fmt.Errorf("the body: %w", short(err))
	}
	return nil
}

// statuses are documented where the description has 200 for everything that is not a list.
var statuses = map[string]int{
	"PATCH /users/{user-id}": http.StatusNoContent, // https://learn.microsoft.com/graph/api/user-update
	// https://learn.microsoft.com/graph/api/attachment-createuploadsession
	"POST /users/{user-id}/messages/{message-id}/attachments/createUploadSession": http.StatusCreated,
}

// answer returns what is wrong with the answer to a request: the server in this process is held against the description
// as well, because what is never answered by Graph proves nothing.
func (j *judge) answer(r *request, template string) error {
	op := j.doc.Paths.Value(template).GetOperation(r.method)
	status := strconv.Itoa(r.status)
	res := op.Responses.Value(status)
	if res == nil && r.status >= 400 {
		res = op.Responses.Value(status[:1] + "XX")
	}
	if other := statuses[r.method+" "+template]; res == nil && other == r.status {
		if other == http.StatusNoContent {
			return nil
		}
		res = op.Responses.Value("200")
	}
	if res == nil {
		return fmt.Errorf("the operation has no answer %d", r.status)
	}
	m := res.Value.Content.Get("application/json")
	if m == nil || len(r.answer) == 0 {
		return nil // a picture, or nothing
	}
	var v any
	if err := json.Unmarshal(r.answer, &v); err != nil {
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
