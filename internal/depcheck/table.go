package depcheck

// Patterns are package paths below the module, with "." for its root. A "*" stands for anything within one
// element, and "/..." at the end for the package and everything below. The first row that fits counts.

// Module is the path of the module whose packages are checked.
const Module = "github.com/mspkit/mspkit"

// domains are the top-level packages that do not know each other.
var domains = []string{"verify", "securesend", "contacts", "mail", "psa", "teamsapp", "entra"}

// adapters join domains. Only examples, tests, and what is below an adapter may import one.
var adapters = []string{
	"*/*channel/...", "*/contactdest", "verify/signin", "securesend/verifiedreveal", "securesend/sendvia",
	"contacts/psacontacts", "psa/ticketlog", "contacts/consent", "contacts/broadcast", "verify/voiceassist",
}

// small are internal packages that every build can afford.
var small = []string{"internal/token", "internal/seal", "internal/cleantext", "internal/langtag", "internal/aadsts"}

// row says what one kind of package may import of this module.
type row struct {
	kind string
	pkgs []string
	// own lists the packages of this module that may be imported; besides, every package may import the
	// module's root.
	own []string
	// parents allows the packages above, within the domain.
	parents bool
	// join allows the root of every domain.
	join bool
	// like allows what the parent imports itself, and nothing else from outside.
	like bool
	// std lists packages of the standard library that may not be imported, even indirectly.
	std []string
	// fix tells where a forbidden import belongs.
	fix string
}

var rows = []row{
	{
		kind: "the root package", pkgs: []string{"."},
		fix: "the root is vocabulary on the standard library alone: put it in the package that needs it, or in internal/",
	},
	{
		kind: "a test kit", pkgs: []string{"*/*test", "*/*/*test"}, own: []string{"internal/race", "internal/sandbox"}, parents: true, like: true,
		fix: "a test kit is imported by users' tests, so it needs nothing that its parent does not need: use the standard library, or move the test to internal/it",
	},
	{
		kind: "the root of a light domain", pkgs: []string{"verify", "securesend"}, own: append([]string{"internal/sandbox"}, small...),
		std: []string{"html/template"},
		fix: "pages belong in verifypage or securesendpage, calls to other systems in a channel, stores in a store package",
	},
	{
		kind: "the root of a domain", pkgs: []string{"contacts", "mail", "psa", "teamsapp", "entra"},
		own: append([]string{"internal/httpx", "internal/webpage", "internal/jobs", "internal/jwks"}, small...),
		fix: "what joins two domains belongs in an adapter package, what talks to a vendor in a leaf package below",
	},
	{
		kind: "an adapter", pkgs: adapters, own: []string{"internal/..."}, parents: true, join: true,
		fix: "an adapter joins the roots of domains; what it needs of a leaf it takes as an interface",
	},
	{
		kind: "a Graph leaf", own: []string{"internal/...", "entra/azurecred"}, parents: true,
		pkgs: []string{"contacts/graphcontacts", "mail/graphmail", "teamsapp/graphteams", "teamsapp/changefeed", "entra/azurecred", "entra/gdap"},
		fix:  "daily Graph traffic uses internal/graphx; what joins domains belongs in an adapter",
	},
	{
		kind: "a leaf", own: []string{"internal/...", "securesend/internal/...", "psa/internal/...", "contacts/internal/..."}, parents: true,
		pkgs: []string{"verify/...", "securesend/...", "contacts/...", "mail/...", "psa/...", "teamsapp/...", "entra/..."},
		fix:  "a leaf knows its parent and its vendor; what joins two domains belongs in an adapter (see adapters in internal/depcheck/table.go)",
	},
	{
		kind: "an example or an integration test", pkgs: []string{"examples/...", "internal/it/..."}, own: []string{"..."},
		fix: "no example or integration test is imported by a package that users import",
	},
	{
		kind: "a command", pkgs: []string{"cmd/..."}, join: true,
		fix: "a command is a few pages over the root of a domain: put what it does there",
	},
	{
		kind: "an internal package", pkgs: []string{"internal/..."}, own: []string{"internal/..."},
		fix: "internal packages stand below every domain: pass what they need as an argument",
	},
}

// never lists packages of this module that only the importers named may import, besides what is below them.
var never = []struct {
	pkgs, importers []string
	why             string
}{
	{adapters, []string{"examples/...", "internal/it/..."}, "only examples and tests import an adapter"},
	{[]string{"internal/sandbox"}, []string{"verify", "verify/verifytest"}, "only a test may make a tenant's answers known: take verifytest.Sandbox"},
	{[]string{"internal/graphfake"}, []string{"examples/...", "internal/it/..."}, "a fake belongs in tests and examples"},
	{[]string{"internal/it/..."}, []string{"internal/it/..."}, "nobody imports integration tests"},
	{[]string{"examples/..."}, []string{"examples/..."}, "nobody imports examples"},
	{[]string{"cmd/..."}, []string{"cmd/..."}, "nobody imports commands"},
}

// dependency says which packages may import a module from outside directly in their build.
type dependency struct {
	path string
	by   []string
	why  string
}

var everywhere = []string{
	"verify/...", "securesend/...", "contacts/...", "mail/...", "psa/...", "teamsapp/...", "entra/...", "internal/...", "examples/...",
}

var dependencies = []dependency{
	{"github.com/google/uuid", everywhere, "small"},
	{"golang.org/x/crypto", everywhere, "small"},
	{"golang.org/x/text", []string{"*/*/...", "internal/..."}, "its tables cost megabytes in a binary: leaves only"},
	{"golang.org/x/net", []string{"*/*/...", "internal/..."}, "leaves only"},
	{"golang.org/x/time", []string{"*/*/...", "internal/..."}, "leaves only"},
	{"golang.org/x/sync", []string{"*/*/...", "internal/..."}, "leaves only"},
	{"golang.org/x/image", []string{"teamsapp/...", "examples/..."}, "icons are drawn in teamsapp"},
	{"golang.org/x/oauth2", []string{"teamsapp/...", "entra/...", "examples/..."}, "sign-in and the bot's tokens"},
	{"github.com/coreos/go-oidc", []string{"teamsapp/...", "entra/...", "examples/..."}, "sign-in and the bot's tokens"},
	{"github.com/go-jose/go-jose", []string{"teamsapp/...", "entra/...", "examples/..."}, "sign-in and the bot's tokens"},
	{"github.com/failsafe-go/failsafe-go", []string{"internal/httpx"}, "the one outbound pipeline hides it"},
	{"github.com/wneessen/go-mail", []string{"mail/smtpmail", "examples/..."}, "SMTP is one leaf"},
	{"github.com/nyaruka/phonenumbers", []string{"*/*/...", "internal/..."}, "its tables cost megabytes: leaves only"},
	{"github.com/pquerna/otp", []string{"internal/totp"}, "TOTP is one internal package"},
	{"github.com/boombuler/barcode", []string{"internal/totp"}, "its QR code is what pquerna/otp draws with"},
	{"github.com/go-webauthn/webauthn", []string{"entra/mfa"}, "passkeys are one leaf"},
	{"github.com/redis/go-redis", []string{"*/redisstore/...", "internal/redisx", "examples/..."}, "Redis stores and what they share"},
	{"modernc.org/sqlite", []string{"examples/..."}, "stores take the host's *sql.DB: drivers are the host's choice"},
	{"github.com/jackc/pgx", []string{"verify/sqlstore/pgwatch", "examples/..."}, "stores take the host's *sql.DB, and riverqueue the host's client; only LISTEN needs pgx itself"},
	{"github.com/riverqueue/river", []string{"psa/riverqueue", "examples/..."}, "River is one leaf"},
	{"github.com/Azure/azure-sdk-for-go", []string{
		"internal/graphx", "contacts/graphcontacts", "mail/graphmail", "teamsapp/graphteams", "teamsapp/changefeed", "entra/azurecred",
		"entra/gdap", "entra/graphentra", "examples/...",
	}, "azcore and azidentity belong to the Graph leaves"},
	{"github.com/microsoftgraph", []string{"entra/graphentra", "examples/entra-setup"}, "the Graph SDK takes minutes to build: use internal/graphx"},
	{"github.com/microsoft/kiota", []string{"entra/graphentra", "examples/entra-setup"}, "part of the Graph SDK"},
}

// testLibraries are modules that tests of every package may import besides, and builds never.
var testLibraries = []string{
	"github.com/stretchr/testify", "github.com/jarcoal/httpmock", "github.com/google/go-cmp", "pgregory.net/rapid", "go.uber.org/goleak",
}

// reach says what a package's build may not contain, however it comes in. The rows are all applied.
var reach = []struct {
	pkgs, except, never []string
	why                 string
}{
	{
		pkgs: []string{"verify", "securesend"}, never: []string{Module + "/internal/httpx", "github.com/failsafe-go/failsafe-go"},
		why: "importing it alone must download two modules at most and stay small: calls to other systems belong in a leaf",
	},
	{
		pkgs: []string{"..."}, except: []string{"entra/graphentra", "examples/entra-setup", "internal/it/graphsdk"},
		never: graphSDK, why: "the Graph SDK takes minutes and gigabytes to build: provisioning is in entra/graphentra, daily traffic uses internal/graphx",
	},
	{
		pkgs: []string{"..."}, never: ownModules,
		why: "it would raise the versions in users' builds: it belongs in securesend/cloudblob or verify/voiceassist/openai, which are modules of their own",
	},
	{
		pkgs: []string{"..."}, except: []string{"entra/graphentra", "examples/entra-setup", "internal/it/graphsdk"},
		never: []string{"go.opentelemetry.io"},
		why:   "a package reports to mspkit.Meter; OpenTelemetry is in examples/otel, which is a module of its own, and comes with the Graph SDK only",
	},
	{
		pkgs: []string{"..."}, except: []string{"internal/it/..."}, never: append([]string{"github.com/chromedp"}, testLibraries...),
		why: "test libraries do not belong in builds",
	},
	{
		pkgs:   []string{"verify/...", "securesend/...", "contacts/...", "mail/...", "psa/...", "teamsapp/...", "entra/...", "internal/...", "cmd/..."},
		except: []string{"internal/it/...", "verify/sqlstore/pgwatch"}, never: drivers,
		why: "stores take the host's *sql.DB: drivers are the host's choice",
	},
}

// heavyTests is what the tests of a package may not reach unless its build does; those of internal/it and of
// examples may, because nobody imports these.
var (
	heavyTests  = concat(drivers, graphSDK, ownModules, []string{"github.com/chromedp", "github.com/redis/go-redis", "github.com/riverqueue"}, validators, clouds)
	heavyTestIn = []string{"internal/it/...", "examples/..."}
	heavyFix    = "a user's go mod tidy loads this test with all it imports: move the test to internal/it"

	drivers    = []string{"modernc.org/sqlite", "github.com/jackc/pgx", "github.com/lib/pq", "github.com/mattn/go-sqlite3", "github.com/ncruces/go-sqlite3", "github.com/go-sql-driver/mysql"}
	graphSDK   = []string{"github.com/microsoftgraph", "github.com/microsoft/kiota"}
	ownModules = []string{"gocloud.dev", "github.com/openai/openai-go"}
	validators = []string{"github.com/getkin/kin-openapi", "github.com/santhosh-tekuri/jsonschema", "github.com/xeipuuv/gojsonschema", "github.com/pb33f/libopenapi"}
	clouds     = []string{"github.com/aws/aws-sdk-go", "github.com/Azure/azure-sdk-for-go", "cloud.google.com/go", "google.golang.org/api", "google.golang.org/grpc"}
)

func concat(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}
