package graphteams

import "net/http"

// UploadAnswer is what becomes of an answer to the upload of a new app.
func UploadAnswer(c *Client, status int, body []byte, manifestID string) (App, error) {
	err := c.within(&http.Response{StatusCode: status, Header: http.Header{}}, body)
	if err == nil {
		var made wireApp
		if made, err = madeApp(body, manifestID); err == nil {
			return made.app(), nil
		}
	}
	return App{}, c.failed("publish the app", "contoso", permSubmit, uploadError(err, false))
}
