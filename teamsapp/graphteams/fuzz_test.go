package graphteams_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

// ours is what texts of errors are made of: words of ours, names of fields, codes and ids, and no more.
var ours = regexp.MustCompile(`^[A-Za-z0-9 .,:;()\[\]$#/'_…-]*$`)

// FuzzUploadAnswer answers an upload with anything, by any status of success. A body that holds an error is never a
// success, and nothing of it gets into a text but codes, ids and names of fields of a manifest.
func FuzzUploadAnswer(f *testing.F) {
	for _, s := range []string{
		`{"id":"x","externalId":"` + manifestID + `","displayName":"n","distributionMethod":"organization"}`,
		`{"error":{"code":"BadRequest","message":"Dana","innerError":{"code":"UnableToParseTeamsAppManifest","details":[{"code":"SchemaError_Required","message":"m","target":"name"}]}}}`,
		`{"error":{"code":"Conflict","innerError":{"code":"AppDefinitionAlreadyExists"}}}`,
		`{"error":{"code":"Forbidden"}}`, `{"Error":{"code":"x y"}}`, `{"error":null,"id":"x","externalId":"` + manifestID + `"}`, `{"error":"invalid_grant"}`,
		`{"error":{"innerError":{"details":[{"code":"SchemaError_AdditionalProperties","target":"Dana Whitfield"},{"code":"a b","target":"name[0].short"}]}}}`,
		`{"error":{"code":[1],"innerError":5}}`, ``, `null`, `[]`, `{"id":1}`, "{\"error\":{\"code\":\"\u202e\"}}",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	client, err := graphteams.New(creds{}, nil)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body string, created bool) {
		status := http.StatusOK
		if created {
			status = http.StatusCreated
		}
		app, err := graphteams.UploadAnswer(client, status, []byte(body), manifestID)
		if err == nil {
			require.NotEmpty(t, app.CatalogID)
			require.Equal(t, manifestID, app.ManifestID)
			require.NotRegexp(t, `(?i)^\s*\{\s*"error"\s*:\s*[{"]`, body)
			return
		}
		e, ok := errors.AsType[*graphteams.Error](err)
		require.True(t, ok)
		require.Regexp(t, ours, e.Advice)
		require.Regexp(t, ours, err.Error())
		if m, ok := errors.AsType[*graphteams.ManifestError](err); ok {
			require.Regexp(t, ours, m.Error())
			for _, problem := range m.Problems {
				require.LessOrEqual(t, len(problem.Field), 100)
				require.False(t, strings.ContainsAny(problem.Field, " '\""))
			}
		}
	})
}
