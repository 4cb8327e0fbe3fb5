package stores_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", name))
	require.NoError(t, err)
	return string(raw)
}

// The guides show programs that Example_integrate, Example_teams, Example_tickets, Example_microsoft365, Example_teamsapp and
// Example_technicians run, and TestTheGuideSetsATenantUp of entra/graphentra, which needs Microsoft's SDK. A block that was changed in
// one place only is found here.
func TestEveryBlockOfTheGuidesIsPartOfTheProgramThatRuns(t *testing.T) {
	t.Parallel()
	for guide, least := range map[string]int{"integrate": 9, "teams": 2, "tickets": 2, "microsoft365": 12, "teams-app": 20, "technicians": 20} {
		file := strings.ReplaceAll(guide, "-", "") + "_example_test.go"
		program, err := os.ReadFile(file)
		require.NoError(t, err)
		if guide == "technicians" {
			more, err := os.ReadFile(filepath.Join("..", "..", "..", "entra", "graphentra", "technicians_guide_test.go"))
			require.NoError(t, err)
			program = append(program, more...)
		}
		blocks := regexp.MustCompile("(?s)\n```go\n(.*?\n)```\n").FindAllStringSubmatch(readDoc(t, guide+".md"), -1)
		require.GreaterOrEqual(t, len(blocks), least, "the blocks of %s.md are not found", guide)
		for _, b := range blocks {
			if !strings.Contains(string(program), "\n"+b[1]) { // require.Contains would print the whole program
				t.Errorf("this block of docs/%s.md is not in %s:\n%s", guide, file, b[1])
			}
		}
	}
}

// Whatever the threat models call a proof must be there: [`TestName`](file) or [`"a part of a suite"`](file).
func TestEveryProofInTheThreatModelExists(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{"threat-model.md", "threat-model-securesend.md"} {
		links := regexp.MustCompile("\\[`([^`]+)`\\]\\(([^)]+\\.go)\\)").FindAllStringSubmatch(readDoc(t, doc), -1)
		require.GreaterOrEqual(t, len(links), 40, "the links of %s are not found", doc)
		for _, l := range links {
			code, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", filepath.FromSlash(l[2])))
			require.NoError(t, err)
			want := "\nfunc " + l[1] + "("
			if strings.HasPrefix(l[1], `"`) {
				want = "{" + l[1] + ", "
			}
			if !strings.Contains(string(code), want) {
				t.Errorf("docs/%s names %s, which is not in %s", doc, l[1], l[2])
			}
		}
	}
}
