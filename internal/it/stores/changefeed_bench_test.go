package stores_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	changefeedsql "github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
)

// feedBearer is the credential of a tenant of a fake Graph.
type feedBearer string

func (b feedBearer) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return b, nil
}

func (b feedBearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(b), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// feedBench is a feed that has a subscription, and a POST of one notification to it. Nothing that it accepts is handled.
type feedBench struct {
	*acceptBench
	feed     *changefeed.Feed
	receiver *httptest.Server
	client   *http.Client
	post     []byte
	sent     atomic.Int64
}

func newFeedBench(b *testing.B, d database, conns int) *feedBench {
	b.Helper()
	x := &feedBench{acceptBench: newAcceptBench(b, d, conns)}
	db := d.open(b)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	ctx := context.Background()
	require.NoError(b, changefeedsql.Migrate(ctx, db, d.dialect, nil))
	store, err := changefeedsql.New(db, d.dialect, nil)
	require.NoError(b, err)

	const app = "0a0a0a0a-1111-4222-8333-444455556666"
	graph, err := graphfake.Start(&graphfake.Options{TokenTTL: 10 * time.Hour})
	require.NoError(b, err)
	b.Cleanup(func() { _ = graph.Close() })
	at := graph.AddTenant("", "Contoso", "")
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(b, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(b, err)
	x.receiver = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.feed.ServeHTTP(w, r) }))
	b.Cleanup(x.receiver.Close)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = acceptClients
	b.Cleanup(transport.CloseIdleConnections)
	x.client = &http.Client{Transport: transport}
	sink := changefeed.SinkFunc(func(context.Context, changefeed.Event) error { return nil })
	x.feed, err = changefeed.New(changefeed.App{IDs: []string{app}, URL: x.receiver.URL}, ring, store, feedBearer(graph.Bearer(at.ID)), sink, &changefeed.Options{
		Cloud:        azurecred.Cloud{Login: graph.URL(), Graph: graph.URL(), GraphScope: "https://graph.microsoft.com/.default"},
		Certificates: []changefeed.OwnCertificate{{ID: "own", DER: der, Key: key}}, Budget: time.Minute,
	})
	require.NoError(b, err)
	require.NoError(b, x.feed.Follow(ctx, "contoso", at.ID, changefeed.AllChats()))
	require.NoError(b, x.feed.KeepOnce(ctx))

	// One notification, of which each POST has another key and signature, as if it were another one: nothing is opened here.
	var change graphfake.Changed
	at.OnChange(func(c graphfake.Changed) { change = c })
	at.Post(graphfake.Message{Chat: at.AddChat(), Content: strings.Repeat("x", 1200)})
	n := graph.Notices(change, app)[0]
	n.Item["encryptedContent"].(map[string]any)["dataSignature"] = "SIGNATURE"
	n.Item["resource"] = "chats('19:CHAT@thread.v2')/messages('1')"
	x.post = graph.Batch(n)
	// What is inserted on the other side has as many bytes as what is stored of it.
	require.NoError(b, x.handler("first", "chat-1"))
	var size int
	require.NoError(b, db.QueryRowContext(ctx, `SELECT length(sealed) FROM mspkit_changefeed_items`).Scan(&size))
	x.sealed = x.sealed[:0]
	for len(x.sealed) < size {
		x.sealed = append(x.sealed, byte(len(x.sealed)))
	}
	b.Logf("a POST has %d bytes, of which %d are stored", len(x.post), size)
	return x
}

// body is a POST for a stream that nobody else sends.
func (x *feedBench) body(stream string) []byte {
	signature := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%032d", x.sent.Add(1)))
	return bytes.Replace(bytes.Replace(x.post, []byte("SIGNATURE"), []byte(signature), 1), []byte("CHAT"), []byte(stream), 1)
}

// handler calls the handler.
func (x *feedBench) handler(_, stream string) error {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(x.body(stream)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if x.feed.ServeHTTP(w, r); w.Code != http.StatusAccepted {
		return fmt.Errorf("status %d", w.Code)
	}
	return nil
}

// wire sends a POST over loopback.
func (x *feedBench) wire(_, stream string) error {
	res, err := x.client.Post(x.receiver.URL, "application/json", bytes.NewReader(x.body(stream)))
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return errors.Join(err, res.Body.Close())
}

// insertBare is the other side.
func (x *feedBench) insertBare(id, stream string) error {
	now := time.Now().UnixMicro()
	_, err := x.bare.ExecContext(context.Background(), x.insert, "contoso", id, stream, "pending", now, now, x.sealed)
	return err
}

// runFeed lets the sides take turns.
func (x *feedBench) runFeed() {
	var handler, wire, bare time.Duration
	const chunk = 1000
	done := 0
	for done < x.b.N {
		bare += x.crowd(chunk, x.insertBare)
		handler += x.crowd(chunk, x.handler)
		wire += x.crowd(chunk, x.wire)
		done += chunk
	}
	waiting, _, _, err := x.feed.Backlog(context.Background(), "contoso")
	require.NoError(x.b, err)
	require.Equal(x.b, 2*done+1, waiting, "what was accepted is not there")
	x.b.ReportMetric(float64(done)/wire.Seconds(), "accepted/s")
	x.b.ReportMetric(float64(done)/bare.Seconds(), "inserts/s")
	x.b.ReportMetric(float64(wire)/float64(bare), "x/insert")
	x.b.ReportMetric(float64(handler)/float64(bare), "handler-x/insert")
	x.b.ReportMetric(0, "ns/op") // of all sides, which nobody needs
}

// BenchmarkChangeFeedAccept measures how many POSTs of one notification 64 clients get accepted per second, over HTTP on
// loopback, from the client's request to its 202, beside bare inserts of rows of as many bytes by as many clients, each a
// transaction of its own with the same durability (x/insert); handler-x/insert is the handler alone, without HTTP. The sides take
// turns. SQLite is WAL with synchronous(FULL) on one connection, PostgreSQL a server of its own with fsync. Run it with a fixed
// count such as -benchtime 5000x.
func BenchmarkChangeFeedAccept(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		d := sqliteFile(b)
		d.dsn = strings.Replace(d.dsn, "synchronous(NORMAL)", "synchronous(FULL)&_pragma=busy_timeout(5000)", 1)
		newFeedBench(b, d, 1).runFeed()
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		newFeedBench(b, database{dialect: sqlx.Postgres, driver: "pgx", dsn: pgserver.New(b).URL(), schema: "public"}, 16).runFeed()
	})
}
