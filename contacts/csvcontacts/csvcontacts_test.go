package csvcontacts_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	"github.com/mspkit/mspkit/contacts/csvcontacts"
)

func open(t testing.TB, text string, o *csvcontacts.Options) *csvcontacts.Source {
	t.Helper()
	s, err := csvcontacts.New("contoso", csvcontacts.Bytes([]byte(text)), o)
	require.NoError(t, err)
	return s
}

func list(t testing.TB, s contacts.ContactSource, limit int) ([]contacts.Contact, error) {
	t.Helper()
	var out []contacts.Contact
	for c, err := range contacts.All(context.Background(), s, contacts.Query{Tenant: "contoso", Limit: limit}) {
		if err != nil {
			return out, err
		}
		out = append(out, c)
	}
	return out, nil
}

const small = "id,name\n1,Ana\n2,Ben\n3,Cleo\n4,Dana\n5,Eve\n6,Finn\n7,Gus\n"

// stream hides that a reader can do more than read.
func stream(o csvcontacts.Opener) csvcontacts.Opener {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, err := o(ctx)
		return struct{ io.ReadCloser }{r}, err
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, opener := range map[string]func(t *testing.T) (csvcontacts.Opener, func(t *testing.T)){
		"in memory": func(*testing.T) (csvcontacts.Opener, func(*testing.T)) { return csvcontacts.Bytes([]byte(small)), nil },
		"a stream": func(*testing.T) (csvcontacts.Opener, func(*testing.T)) {
			return stream(csvcontacts.Bytes([]byte(small))), nil
		},
		"another file system": func(*testing.T) (csvcontacts.Opener, func(*testing.T)) {
			fsys := fstest.MapFS{"a.csv": {Data: []byte(small), ModTime: time.Unix(1e9, 0)}}
			return func(context.Context) (io.ReadCloser, error) { return fsys.Open("a.csv") }, nil
		},
		"a file": func(t *testing.T) (csvcontacts.Opener, func(*testing.T)) {
			t.Helper()
			name := filepath.Join(t.TempDir(), "a.csv")
			require.NoError(t, os.WriteFile(name, []byte(small), 0o600))
			require.NoError(t, os.Chtimes(name, time.Unix(1e9, 0), time.Unix(1e9, 0)))
			n := 0
			return csvcontacts.Path(name), func(t *testing.T) {
				t.Helper()
				n++
				require.NoError(t, os.WriteFile(name, []byte(small+strings.Repeat("x,new\n", n%3)), 0o600))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contactstest.TestSource(t, func(t *testing.T) (contacts.ContactSource, contactstest.Fixture) {
				o, change := opener(t)
				s, err := csvcontacts.New("contoso", o, nil)
				require.NoError(t, err)
				return s, contactstest.Fixture{Tenant: "contoso", IDs: strings.Split("1234567", ""), Unknown: "fabrikam", Change: change}
			})
		})
	}
}

func TestExports(t *testing.T) {
	t.Parallel()
	dana := contacts.Contact{
		Tenant: "contoso", ID: "7", Name: "Dana Whitfield", FirstName: "Dana", LastName: "Whitfield", Company: "Contoso", JobTitle: "CFO", Enabled: true,
		Emails: []contacts.Address{{Value: "dana@contoso.example"}, {Value: "d@contoso.example"}},
		Phones: []contacts.Address{{Value: "+12025550143", Raw: "(202) 555-0143"}},
	}
	without := func(f func(*contacts.Contact)) contacts.Contact {
		c := dana
		f(&c)
		return c
	}
	for name, tc := range map[string]struct {
		text string
		want contacts.Contact
	}{
		"Outlook": {"Contact ID,First Name,Last Name,Company,Job Title,E-mail Address,E-mail 2 Address,Business Phone,Home Phone\r\n" +
			"7,Dana,Whitfield,Contoso,CFO,Dana@contoso.example,d@contoso.example,(202) 555-0143,202 555 0100\r\n", dana},
		"Google": {"id,Name,Given Name,Family Name,E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value,Organization Name,Organization Title\n" +
			"7,Dana Whitfield,Dana,Whitfield,* Work,dana@contoso.example ::: d@contoso.example,Work,(202) 555-0143 ::: +1 202 555 0143,Contoso,CFO\n", dana},
		"semicolons, BOM, quotes": {"\ufeffJob Title;id;E-Mail;Phone;Company;\"First Name\";Last Name\r\n" +
			"CFO;7;\"dana@contoso.example;d@contoso.example\";(202) 555-0143;\"Contoso\";Dana;Whitfield\r\n", dana},
		"tabs": {"id\tVorname\tNachname\tFirma\tPosition\tEmail\tTelefon\n7\tDana\tWhitfield\tContoso\tCFO\tdana@contoso.example;d@contoso.example\t(202) 555-0143", dana},
		"sep= and blank lines": {"sep=;\r\n\r\nid;First name;Last name;Company;Title;Mail;Alternate email addresses;Mobile Phone\r\n\r\n;;;;;;;\r\n" +
			"7;Dana;Whitfield;Contoso;CFO;dana@contoso.example;d@contoso.example;(202) 555-0143\r\n\r\n", dana},
		"Microsoft 365": {
			"Block credential,Display name,First name,Last name,Object Id,Phone number,Title,User principal name,Company\n" +
				"False,Dana Whitfield,Dana,Whitfield,2F6B1C8E-0A4D,(202) 555-0143,CFO,Dana@contoso.example,Contoso\n",
			without(func(c *contacts.Contact) {
				c.ID, c.Sources = "2F6B1C8E-0A4D", map[string]string{"entra": "2f6b1c8e-0a4d"}
				c.Emails = c.Emails[:1:1]
			}),
		},
		"Google Workspace, no id": {
			"First Name [Required],Last Name [Required],Email Address [Required],Status [READ ONLY],Employee Title\n" +
				"Dana,Whitfield,dana@contoso.example,Suspended,CFO\n",
			without(func(c *contacts.Contact) {
				c.ID, c.Enabled, c.Company, c.Phones = "csv-1ec65b780b4c2053cb577d81c362f67c", false, "", nil
				c.Emails = c.Emails[:1:1]
			}),
		},
		"the rest": {"id;name;manager;photo;locale;active;changed_at;email;phone\n" +
			"7;=HYPERLINK(\"\"x\"\");3;v1;de-AT;no;2026-11-27T09:00:00Z;;'+49 151 12345678\n7", contacts.Contact{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "the rest" {
				tc.text = strings.TrimSuffix(strings.ReplaceAll(tc.text, `=HYPERLINK(""x"")`, `"=HYPERLINK(""x"")"`), "7")
				tc.want = contacts.Contact{
					Tenant: "contoso", ID: "7", Name: `=HYPERLINK("x")`, Manager: "3", Photo: "v1", Locale: "de-AT", ChangedAt: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC),
					Phones: []contacts.Address{{Value: "+4915112345678", Raw: "'+49 151 12345678"}},
				}
			}
			got, err := list(t, open(t, tc.text, &csvcontacts.Options{Region: "US"}), 0)
			require.NoError(t, err)
			require.Equal(t, []contacts.Contact{tc.want}, got)
		})
	}
}

func TestColumnsOverride(t *testing.T) {
	t.Parallel()
	s := open(t, "Kürzel,ID,Home Phone,Status\nA1,9,+1 202 555 0143,married\n", &csvcontacts.Options{Columns: map[string]csvcontacts.Field{
		" kürzel": csvcontacts.FieldID, "ID": csvcontacts.FieldIgnore, "home phone": csvcontacts.FieldPhone, "Status": csvcontacts.FieldIgnore,
	}})
	got, err := list(t, s, 0)
	require.NoError(t, err)
	require.Equal(t, "A1", got[0].ID)
	require.True(t, got[0].HasPhone("+12025550143"))
	require.True(t, got[0].Enabled)
}

func list101(format string) string {
	out := make([]string, contacts.MaxAddresses+1)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(out, ";")
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	const head = "id,name,email,active\n1,Secret,a@contoso.example,yes\n"
	for name, tc := range map[string]struct {
		text string
		o    csvcontacts.Options
		says string
	}{
		"empty":                  {"", csvcontacts.Options{}, "the file is empty"},
		"a mark and no more":     {"\ufeff\r\n", csvcontacts.Options{}, "the file is empty"},
		"no header":              {"Secret,a@contoso.example\n", csvcontacts.Options{}, "line 1: there is no column"},
		"no useful column":       {"name,phone\nSecret,1\n", csvcontacts.Options{}, "line 1: there is no column for an id"},
		"two ids":                {"id,name,External ID\n1,x,2\n", csvcontacts.Options{}, `line 1, column "External ID": there are two columns`},
		"UTF-16":                 {"\xff\xfei\x00d\x00", csvcontacts.Options{}, "UTF-16: save it as CSV UTF-8"},
		"UTF-16 without mark":    {"i\x00d\x00", csvcontacts.Options{}, "UTF-16"},
		"a workbook":             {"PK\x03\x04....", csvcontacts.Options{}, "workbook"},
		"old Macintosh":          {"id,name\r1,Secret\r2,x", csvcontacts.Options{}, "carriage return alone"},
		"Latin-1":                {head + "2,M\xfcller,,\n", csvcontacts.Options{}, `line 3, column "name": a cell is not in UTF-8`},
		"Latin-1, a page later":  {head + "2,a,,\n3,b,,\n\n4,M\xfcller,,\n", csvcontacts.Options{}, `line 6, column "name"`},
		"too many columns":       {head + "2,Secret, Jr.,b@contoso.example,yes\n", csvcontacts.Options{}, "line 3: the row has 5 columns and the header 4"},
		"an e-mail":              {head + "\n2,Secret,not-secret,yes\n", csvcontacts.Options{}, `line 4, column "email": the e-mail address is not of the form name@domain`},
		"one of two e-mails":     {head + "2,Secret,b@contoso.example;bad,yes\n", csvcontacts.Options{}, `line 3, column "email"`},
		"many e-mails":           {head + "2,x,\"" + list101("a%d@b.example") + "\",\n", csvcontacts.Options{}, `line 3, column "email": a contact has at most 100`},
		"many numbers":           {"id,phone\n1,\"" + list101("%d555") + "\"\n", csvcontacts.Options{}, `line 2, column "phone": a contact has at most 100`},
		"neither yes nor no":     {head + "2,Secret,,maybe\n", csvcontacts.Options{}, `line 3, column "active": the value is neither yes nor no`},
		"a time":                 {"id,changed at\n1,yesterday\n", csvcontacts.Options{}, `line 2, column "changed at": the time`},
		"no id":                  {head + ",Secret,b@contoso.example,yes\n", csvcontacts.Options{}, `line 3, column "id": the id is empty`},
		"a bad id":               {head + "\"2\x07\",Secret,,yes\n", csvcontacts.Options{}, `line 3, column "id": an id has`},
		"neither id nor e-mail":  {"name,email\nSecret,\n", csvcontacts.Options{}, "line 2: the row has no e-mail address"},
		"a quote in a cell":      {head + "2,Sec\"ret,,\n", csvcontacts.Options{}, "line 3: a quote is not where it can be"},
		"a quote without an end": {head + "2,\"Secret,,\n3,x,,\n", csvcontacts.Options{}, "line 3: a quote"},
		"lines within a quote":   {head + "2,\"Sec\n\nret\",,\n3,x,bad,\n", csvcontacts.Options{}, "line 6, column \"email\""},
		"a long cell":            {head + "2," + strings.Repeat("x", 5000) + ",,\n", csvcontacts.Options{}, `line 3, column "name": a cell has 5000 bytes`},
		"a long row":             {head + strings.Repeat("x,", 40_000) + "\n", csvcontacts.Options{}, "line 3: the row has more than"},
		"a row without an end":   {head + "2,\"" + strings.Repeat("x\n", 1<<20), csvcontacts.Options{}, "line 3: a row has more than"},
		"a header without end":   {strings.Repeat("x", 1<<20), csvcontacts.Options{}, "line 1: a row has more than"},
		"too many rows":          {head + "2,x,,\n3,x,,\n", csvcontacts.Options{MaxRows: 2}, "line 4: the file has more than 2 rows"},
		"too many bytes":         {head + strings.Repeat("2,x,,\n", 1<<16), csvcontacts.Options{MaxBytes: 1000}, "more than 1000 bytes"},
		"sep without sense":      {"sep=\"\nid\n1\n", csvcontacts.Options{}, "names no separator"},
		"the wrong separator":    {"id;name\n1;Secret\n", csvcontacts.Options{Comma: ','}, "line 1: there is no column"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, o := range []csvcontacts.Opener{csvcontacts.Bytes([]byte(tc.text)), stream(csvcontacts.Bytes([]byte(tc.text)))} {
				for _, limit := range []int{0, 1} {
					s, err := csvcontacts.New("contoso", o, &tc.o)
					require.NoError(t, err)
					_, err = list(t, s, limit)
					require.ErrorContains(t, err, tc.says)
					require.ErrorIs(t, err, mspkit.ErrInvalid)
					require.NotContains(t, err.Error(), "ecret")
					require.NotContains(t, err.Error(), "a@contoso")
					var e *csvcontacts.Error
					require.ErrorAs(t, err, &e)
					rep, err := s.Check(t.Context())
					require.NoError(t, err)
					require.NotEmpty(t, rep.Faults)
					require.ErrorContains(t, rep.Faults[0], tc.says)
				}
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	o := csvcontacts.Bytes(nil)
	for name, tc := range map[string]struct {
		tenant mspkit.TenantID
		open   csvcontacts.Opener
		o      csvcontacts.Options
		says   []string
	}{
		"nothing":     {"", nil, csvcontacts.Options{}, []string{"tenant", "opens the file"}},
		"a region":    {"contoso", o, csvcontacts.Options{Region: "Texas"}, []string{"Region"}},
		"a comma":     {"contoso", o, csvcontacts.Options{Comma: '"'}, []string{"Comma"}},
		"a column":    {"contoso", o, csvcontacts.Options{Columns: map[string]csvcontacts.Field{"X": "salary"}}, []string{`Columns["X"]`}},
		"a row":       {"contoso", o, csvcontacts.Options{MaxRow: -1, Region: "x"}, []string{"MaxRow", "Region"}},
		"all is well": {"contoso", o, csvcontacts.Options{MaxRows: -1, MaxField: -1, MaxPage: -1, MaxBytes: -1, Comma: '|', Region: "AT"}, nil},
	} {
		_, err := csvcontacts.New(tc.tenant, tc.open, &tc.o)
		if tc.says == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		for _, w := range tc.says {
			require.ErrorContains(t, err, w, name)
		}
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]error{filepath.Join(t.TempDir(), "none.csv"): fs.ErrNotExist, t.TempDir(): mspkit.ErrInvalid} {
		s, err := csvcontacts.New("contoso", csvcontacts.Path(name), nil)
		require.NoError(t, err)
		_, err = list(t, s, 0)
		require.ErrorIs(t, err, want)
	}
	broken := errors.New("broken")
	s, err := csvcontacts.New("contoso", func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(small), failing{broken})), nil
	}, nil)
	require.NoError(t, err)
	_, err = list(t, s, 2)
	require.ErrorIs(t, err, broken)
	_, err = s.Check(t.Context())
	require.ErrorIs(t, err, broken)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAFileThatChanges(t *testing.T) {
	t.Parallel()
	old := time.Unix(1e9, 0)
	for name, tc := range map[string]struct {
		text string
		at   time.Time
		same bool
	}{
		"touched":                    {small, old.Add(time.Hour), true},
		"appended":                   {small + "8,Hal\n", old.Add(time.Hour), false},
		"same size, another time":    {strings.Replace(small, "Ana", "Ada", 1), old.Add(time.Hour), false},
		"same size, behind the page": {strings.Replace(small, "Gus", "Gil", 1), old.Add(time.Hour), false},
		"shorter":                    {"id,name\n", old.Add(time.Hour), false},
		"another header":             {"x" + small, old.Add(time.Hour), false},
		"gone to pieces":             {strings.Repeat("\"", len(small)-1), old, false},
		"empty":                      {"", old, false},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", restart ", restart), func(t *testing.T) {
				t.Parallel()
				file := filepath.Join(t.TempDir(), "a.csv")
				write := func(text string, at time.Time) {
					require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
					require.NoError(t, os.Chtimes(file, at, at))
				}
				write(small, old)
				s, err := csvcontacts.New("contoso", csvcontacts.Path(file), nil)
				require.NoError(t, err)
				p, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Limit: 3})
				require.NoError(t, err)
				if restart {
					s, err = csvcontacts.New("contoso", csvcontacts.Path(file), nil)
					require.NoError(t, err)
				}
				write(tc.text, tc.at)
				p, err = s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Limit: 3, Cursor: p.Next})
				if tc.same {
					require.NoError(t, err)
					require.Equal(t, "4", p.Contacts[0].ID)
					return
				}
				require.ErrorIs(t, err, contacts.ErrCursor)
				require.Empty(t, p.Contacts)
			})
		}
	}
}

// counted counts the bytes that are read of a file.
type counted struct {
	*os.File
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func TestAKnownFileIsReadFromThePage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.csv")
	var b strings.Builder
	b.WriteString("id,name\n")
	for i := range 15_000 {
		fmt.Fprintf(&b, "%d,\"Somebody\nwith two lines %d\"\n", i, i)
	}
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
	require.NoError(t, os.Chtimes(file, time.Unix(1e9, 0), time.Unix(1e9, 0)))
	var n atomic.Int64
	s, err := csvcontacts.New("contoso", func(context.Context) (io.ReadCloser, error) {
		f, err := os.Open(file)
		return counted{f, &n}, err
	}, nil)
	require.NoError(t, err)
	got, err := list(t, s, 1000)
	require.NoError(t, err)
	require.Len(t, got, 15_000)
	require.Less(t, n.Load(), int64(b.Len())*6, "fifteen pages of a known file do not read it fifteen times")
	// A change without another time just after the file was read is noticed: it is not trusted before it has settled.
	now := time.Now()
	require.NoError(t, os.Chtimes(file, now, now))
	p, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(b.String(), "Somebody", "Everyone", 1)), 0o600))
	require.NoError(t, os.Chtimes(file, now, now))
	_, err = s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: p.Next})
	require.ErrorIs(t, err, contacts.ErrCursor)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	rep, err := open(t, "id,name,salary,email\n1,a,1,\n2,b,2,bad\n3,c,3,\n\n1,\"d\ne\",4,\n,f,5,\n3,g,6,\n1,h,7,\n", nil).Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, 5, rep.Rows)
	require.Equal(t, []csvcontacts.Column{{Header: "id", Field: "id"}, {Header: "name", Field: "name"}, {Header: "salary", Field: "ignore"}, {Header: "email", Field: "e-mail"}}, rep.Columns)
	require.Len(t, rep.Faults, 2)
	require.Equal(t, 3, rep.Faults[0].Line)
	require.Equal(t, 8, rep.Faults[1].Line)
	require.Equal(t, []csvcontacts.Duplicate{{Line: 6, First: 2}, {Line: 9, First: 4}, {Line: 10, First: 2}}, rep.Duplicates)
	require.False(t, rep.More)

	rep, err = open(t, "id,email\n"+strings.Repeat("1,bad\n", 500)+strings.Repeat("1,\n", 500), nil).Check(t.Context())
	require.NoError(t, err)
	require.Len(t, rep.Faults, 100)
	require.Len(t, rep.Duplicates, 100)
	require.True(t, rep.More)
}

func TestDerivedIDs(t *testing.T) {
	t.Parallel()
	s := open(t, "name,email\nDana,Dana@contoso.example\nOmar,omar@contoso.example\nDana W,dana@contoso.example\n", nil)
	got, err := list(t, s, 0)
	require.NoError(t, err)
	require.Equal(t, got[0].ID, got[2].ID)
	require.NotEqual(t, got[0].ID, got[1].ID)
	require.NotContains(t, got[0].ID, "dana")
	other, err := csvcontacts.New("fabrikam", csvcontacts.Bytes([]byte("email\ndana@contoso.example\n")), nil)
	require.NoError(t, err)
	p, err := other.FetchContacts(t.Context(), contacts.Query{Tenant: "fabrikam"})
	require.NoError(t, err)
	require.NotEqual(t, got[0].ID, p.Contacts[0].ID)
}

// generated is a file of n rows that is never in memory.
type generated struct {
	n, i int
	rest []byte
}

func (g *generated) Read(p []byte) (int, error) {
	for len(g.rest) < len(p) && g.i <= g.n {
		if g.i == 0 {
			g.rest = append(g.rest, "id,name,email,phone,company\n"...)
		} else {
			g.rest = fmt.Appendf(g.rest, "%d,Somebody %d,user%d@contoso.example,202555%04d,Contoso\n", g.i, g.i, g.i, g.i%10000)
		}
		g.i++
	}
	if len(g.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.rest)
	g.rest = g.rest[:copy(g.rest, g.rest[n:])]
	return n, nil
}

// Memory stays as it is however long the file is.
func TestMemory(t *testing.T) { //nolint:paralleltest // it measures memory
	const rows = 20_000
	s, err := csvcontacts.New("contoso", func(context.Context) (io.ReadCloser, error) { return io.NopCloser(&generated{n: rows}), nil }, &csvcontacts.Options{MaxPage: 2000})
	require.NoError(t, err)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, most := 0, uint64(0)
	for p, err := range contacts.Pages(t.Context(), s, contacts.Query{Tenant: "contoso"}) {
		require.NoError(t, err)
		n += len(p.Contacts)
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	}
	require.Equal(t, rows, n)
	require.Less(t, most-min(most, before.HeapAlloc), uint64(6<<20))
}

func BenchmarkList(b *testing.B) {
	file := filepath.Join(b.TempDir(), "a.csv")
	f, err := os.Create(file)
	require.NoError(b, err)
	_, err = io.Copy(f, &generated{n: 100_000})
	require.NoError(b, err)
	require.NoError(b, f.Close())
	require.NoError(b, os.Chtimes(file, time.Unix(1e9, 0), time.Unix(1e9, 0)))
	for b.Loop() {
		s, err := csvcontacts.New("contoso", csvcontacts.Path(file), nil)
		require.NoError(b, err)
		got := 0
		for _, err := range contacts.All(b.Context(), s, contacts.Query{Tenant: "contoso"}) {
			require.NoError(b, err)
			got++
		}
		require.Equal(b, 100_000, got)
	}
}

func FuzzFile(f *testing.F) {
	for _, s := range []string{
		small, "sep=;\nid;name\n1;\"a\n\"\"b\"\"\"\r\n\r\n2;c", "\ufeffemail\na@b.example\n\n\n=1\n", "id\n\"", "PK\x03\x04", "id\r1", "email;phone\na@b.c:::d@e.f;'+1", "id,name\n1,\xff\n",
	} {
		f.Add(s, 1)
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		// Whole, in pages of a known file, and in pages of a stream: the same contacts and the same fault.
		o := &csvcontacts.Options{MaxField: 64, MaxRow: 256, MaxRows: 50, Region: "US"}
		limit = 1 + (limit&0xff)%7
		all, fault := list(t, open(t, text, o), 0)
		paged, fault2 := list(t, open(t, text, o), limit)
		s, err := csvcontacts.New("contoso", stream(csvcontacts.Bytes([]byte(text))), o)
		require.NoError(t, err)
		streamed, fault3 := list(t, s, limit)
		require.Equal(t, fault, fault2)
		require.Equal(t, fault, fault3)
		require.Equal(t, paged, streamed)
		if fault == nil {
			require.Equal(t, all, paged)
		}
		rep, err := open(t, text, o).Check(t.Context())
		require.NoError(t, err)
		require.Equal(t, fault == nil, len(rep.Faults) == 0)
		if fault == nil {
			require.Equal(t, len(all), rep.Rows)
		}
		for _, c := range all {
			require.NotEmpty(t, c.ID)
		}
	})
}
