package depcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImportTable is the table applied to the module as it is.
func TestImportTable(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	touchSources(t, root)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-test", "-json=ImportPath,ForTest,Standard,Imports,Error", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var pkgs []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.Error != nil {
			t.Logf("%s does not load: %s", p.ImportPath, p.Error.Err)
		}
		pkgs = append(pkgs, p)
	}
	require.NotEmpty(t, pkgs)
	for _, problem := range Check(pkgs) {
		t.Error(problem)
	}
}

// touchSources looks at every Go file, so that go test knows what this test depends on: it does not see
// what go list reads, and would print a result of yesterday.
func touchSources(t *testing.T, root string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") || d.Name() == "go.mod" {
			_, err = os.Stat(path)
		}
		return err
	}))
}

// m is a package of the module, and of nothing else.
func m(rel string, imports ...string) Package {
	return Package{ImportPath: join(rel), Imports: own(imports)}
}

// own completes imports that begin with "/" to packages of the module.
func own(imports []string) []string {
	out := make([]string, 0, len(imports))
	for _, i := range imports {
		switch {
		case i == "/":
			i = Module
		case i[0] == '/':
			i = Module + i
		}
		out = append(out, i)
	}
	return out
}

// tests is the package of external tests of rel.
func tests(rel string, imports ...string) Package {
	p := join(rel)
	return Package{ImportPath: p + "_test [" + p + ".test]", ForTest: p, Imports: own(imports)}
}

// inside is the package rel together with its own tests.
func inside(rel string, imports ...string) Package {
	p := join(rel)
	return Package{ImportPath: p + " [" + p + ".test]", ForTest: p, Imports: own(imports)}
}

func TestCheckFinds(t *testing.T) {
	t.Parallel()
	std := func(names ...string) (out []Package) {
		for _, n := range names {
			out = append(out, Package{ImportPath: n, Standard: true})
		}
		return out
	}("fmt", "html/template", "net/http")
	ext := func(path string, imports ...string) Package { return Package{ImportPath: path, Imports: imports} }
	for _, tt := range []struct {
		name string
		pkgs []Package
		want []string // parts of the findings in order; none: all is well
	}{
		{"nothing in a clean root", []Package{m(".", "fmt")}, nil},
		{"a dependency of the root", []Package{m(".", "github.com/google/uuid")}, []string{". (the root package) imports github.com/google/uuid"}},
		{"a package without a row", []Package{m("tools", "fmt")}, []string{"tools fits no row"}},
		{"what verify may have", []Package{m("verify", "fmt", "/", "/internal/token", "/internal/seal", "golang.org/x/crypto/hkdf", "github.com/google/uuid")}, nil},
		{"verify with another domain", []Package{m("verify", "/mail"), m("mail")}, []string{"verify (the root of a light domain) imports mail: that is another top-level package"}},
		{"verify with html/template", []Package{m("verify", "html/template")}, []string{"verify (the root of a light domain) reaches html/template by verify"}},
		{"verify with html/template by another", []Package{m("verify", "/internal/token"), m("internal/token", "html/template")}, []string{"reaches html/template by verify → internal/token"}},
		{
			"verify with the outbound pipeline",
			[]Package{m("verify", "/internal/httpx"), m("internal/httpx", "github.com/failsafe-go/failsafe-go")},
			[]string{"verify (the root of a light domain) imports internal/httpx", "verify reaches github.com/failsafe-go/failsafe-go by verify → internal/httpx"},
		},
		{"mail with the outbound pipeline", []Package{m("mail", "/internal/httpx")}, nil},
		{"psa with x/oauth2", []Package{m("psa", "golang.org/x/oauth2")}, []string{"psa (the root of a domain) imports golang.org/x/oauth2"}},
		{"entra with x/oauth2", []Package{m("entra", "golang.org/x/oauth2", "github.com/coreos/go-oidc/v3/oidc")}, nil},
		{"psa with x/image", []Package{m("psa", "golang.org/x/image/draw")}, []string{"icons are drawn in teamsapp"}},
		{"an unknown dependency", []Package{m("psa/halopsa", "github.com/who/knows")}, []string{"imports github.com/who/knows: an unknown dependency"}},
		{"a test library in a build", []Package{m("psa/halopsa", "github.com/stretchr/testify/require")}, []string{"move it to a _test.go file", "reaches github.com/stretchr/testify/require"}},
		{"a leaf with its parents", []Package{m("verify/smschannel/twilio", "/verify/smschannel", "/verify", "/internal/httpx", "/"), m("verify/smschannel", "/verify"), m("verify")}, nil},
		{"a leaf with another domain", []Package{m("psa/halopsa", "/contacts"), m("contacts")}, []string{"psa/halopsa (a leaf) imports contacts: that is another top-level package"}},
		{"a leaf with its sibling", []Package{m("verify/verifypage", "/verify/memstore"), m("verify/memstore")}, []string{"verify/verifypage (a leaf) imports verify/memstore"}},
		{"an adapter with two domains", []Package{m("verify/mailchannel", "/verify", "/mail"), m("verify"), m("mail")}, nil},
		{"an adapter with a leaf", []Package{m("verify/mailchannel", "/mail/graphmail"), m("mail/graphmail")}, []string{"verify/mailchannel (an adapter) imports mail/graphmail"}},
		{"an adapter imported by a page", []Package{m("verify/verifypage", "/verify/mailchannel"), m("verify/mailchannel")}, []string{"only examples and tests import an adapter"}},
		{"an adapter imported by an example", []Package{m("examples/helpdesk", "/verify/mailchannel"), m("verify/mailchannel")}, nil},
		{"an example imported", []Package{m("verify/verifypage", "/examples/helpdesk"), m("examples/helpdesk")}, []string{"nobody imports examples"}},
		{"a command with its domain", []Package{m("cmd/mspkit-evidence", "/verify", "/", "fmt"), m("verify")}, nil},
		{"a command with a store", []Package{m("cmd/mspkit-evidence", "/verify/sqlstore"), m("verify/sqlstore")}, []string{"cmd/mspkit-evidence (a command) imports verify/sqlstore"}},
		{"a command imported", []Package{m("examples/helpdesk", "/cmd/mspkit-evidence"), m("cmd/mspkit-evidence")}, []string{"nobody imports commands"}},
		{"a driver in a store", []Package{m("verify/sqlstore", "modernc.org/sqlite")}, []string{"drivers are the host's choice", "verify/sqlstore reaches modernc.org/sqlite"}},
		{"a driver in an internal package", []Package{m("internal/sqlx", "github.com/jackc/pgx/v5/stdlib")}, []string{"imports github.com/jackc/pgx", "reaches github.com/jackc/pgx"}},
		{"a driver in an example", []Package{m("examples/helpdesk", "modernc.org/sqlite")}, nil},
		{"an internal package with a domain", []Package{m("internal/webpage", "/verify"), m("verify")}, []string{"internal/webpage (an internal package) imports verify: that is another top-level package"}},
		{"Graph SDK where it belongs", []Package{m("entra/graphentra", "github.com/microsoftgraph/msgraph-sdk-go"), m("examples/entra-setup", "/entra/graphentra")}, nil},
		{"Graph SDK in daily traffic", []Package{m("mail/graphmail", "github.com/microsoft/kiota-http-go")}, []string{"part of the Graph SDK", "mail/graphmail reaches github.com/microsoft/kiota-http-go"}},
		{
			"Graph SDK in the example for newcomers",
			[]Package{m("examples/helpdesk", "/entra/graphentra"), m("entra/graphentra", "github.com/microsoftgraph/msgraph-sdk-go")},
			[]string{"examples/helpdesk reaches github.com/microsoftgraph/msgraph-sdk-go by examples/helpdesk → entra/graphentra"},
		},
		{
			"cloud and language model SDKs that come in by others",
			[]Package{m("examples/helpdesk", "github.com/a/b"), ext("github.com/a/b", "gocloud.dev/blob", "github.com/openai/openai-go/v3")},
			[]string{"unknown dependency", "examples/helpdesk reaches github.com/openai/openai-go/v3"},
		},
		{"azcore in a Graph leaf", []Package{m("mail/graphmail", "github.com/Azure/azure-sdk-for-go/sdk/azcore", "/entra/azurecred"), m("entra/azurecred")}, nil},
		{
			"OpenTelemetry that comes in by others",
			[]Package{m("mail/graphmail", "github.com/a/b"), ext("github.com/a/b", "go.opentelemetry.io/otel/metric")},
			[]string{"unknown dependency", "a package reports to mspkit.Meter"},
		},
		{"azcore elsewhere", []Package{m("mail/smtpmail", "github.com/Azure/azure-sdk-for-go/sdk/azcore")}, []string{"belong to the Graph leaves"}},
		{"a test kit with what its parent has", []Package{m("verify/verifytest", "/verify", "github.com/google/uuid", "/internal/token", "/"), m("verify", "github.com/google/uuid", "/internal/token")}, nil},
		{"a test kit with more", []Package{m("verify/verifytest", "golang.org/x/crypto/hkdf", "/internal/httpx"), m("verify")}, []string{"imports golang.org/x/crypto/hkdf: its parent does not", "imports internal/httpx"}},
		{"a test kit with a test library", []Package{m("verify/verifytest", "github.com/stretchr/testify/require"), m("verify")}, []string{"a test kit", "reaches github.com/stretchr/testify"}},
		{"cgo", []Package{m("verify", "C")}, []string{"imports C"}},
		{"tests with the usual libraries", []Package{m("verify"), inside("verify", "github.com/stretchr/testify/require"), tests("verify", "/mail", "pgregory.net/rapid", "/verify")}, nil},
		{"tests with a driver", []Package{m("verify/sqlstore"), inside("verify/sqlstore", "modernc.org/sqlite")}, []string{"the tests of verify/sqlstore reach modernc.org/sqlite", "move the test to internal/it"}[:1]},
		{"tests with a driver by another package", []Package{m("verify"), tests("verify", "/examples/x"), m("examples/x", "modernc.org/sqlite")}, []string{"the tests of verify reach modernc.org/sqlite by verify_test → examples/x"}},
		{"tests with a browser", []Package{m("verify/verifypage"), tests("verify/verifypage", "github.com/chromedp/chromedp")}, []string{"the tests of verify/verifypage reach github.com/chromedp/chromedp"}},
		{"tests with a schema validator", []Package{m("teamsapp"), tests("teamsapp", "github.com/santhosh-tekuri/jsonschema/v6")}, []string{"the tests of teamsapp reach github.com/santhosh-tekuri/jsonschema/v6"}},
		{"tests of the root with a driver", []Package{m("."), tests(".", "github.com/lib/pq")}, []string{"the tests of . reach github.com/lib/pq"}},
		{"tests with an unknown library", []Package{m("verify"), tests("verify", "github.com/who/knows")}, []string{"the tests of verify import github.com/who/knows: an unknown dependency"}},
		{"tests with what the build has anyway", []Package{m("verify/redisstore", "github.com/redis/go-redis/v9"), tests("verify/redisstore", "github.com/redis/go-redis/v9")}, nil},
		{"integration tests with anything", []Package{m("internal/it/browser"), tests("internal/it/browser", "github.com/chromedp/chromedp", "modernc.org/sqlite", "/verify/mailchannel")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Check(slices.Concat(std, tt.pkgs))
			require.Len(t, got, len(tt.want), strings.Join(got, "\n"))
			all := strings.Join(got, "\n")
			for _, part := range tt.want {
				require.Contains(t, all, part)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, rel string
		want         bool
	}{
		{"verify", "verify", true},
		{"verify", "verify/a", false},
		{"verify/...", "verify", true},
		{"verify/...", "verify/a/b", true},
		{"verify/...", "verifyx", false},
		{"*/*channel/...", "verify/smschannel/twilio", true},
		{"*/*channel/...", "verify/channels", false},
		{"*/*test", "mail/mailtest", true},
		{"*/*/...", "verify", false},
		{"...", ".", true},
	} {
		require.Equal(t, tt.want, match(tt.pattern, tt.rel), "%s %s", tt.pattern, tt.rel)
	}
	require.True(t, under("github.com/jackc/pgx/v5/stdlib", "github.com/jackc/pgx"))
	require.False(t, under("github.com/jackc/pgxlisten", "github.com/jackc/pgx"))
}
