package changefeed

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

const (
	// leastBits and mostBits are what Graph takes, see
	// https://learn.microsoft.com/graph/change-notifications-with-resource-data#creating-a-subscription.
	leastBits, mostBits = 2048, 4096
	// certificateSpare is how long a certificate lives beyond its rotation, for subscriptions that cannot be renewed just then.
	certificateSpare = 180 * 24 * time.Hour
	// retryWindow is how long Graph repeats a notification
	// (https://learn.microsoft.com/graph/change-notifications-delivery-webhooks).
	retryWindow = 4 * time.Hour
	// usedMargin is added to it, because it is not known to the minute when a certificate was last used.
	usedMargin = 24 * time.Hour
	// certificatesFresh is how long certificates are used that were read.
	certificatesFresh = time.Minute
	// certificatesPause is the least time between two looks because of an id that is not known.
	certificatesPause = 5 * time.Second
)

// errNoCertificate means that content is encrypted for a certificate that nobody here has.
var errNoCertificate = errors.New("the content is encrypted for a certificate that is not known")

// certificates holds what Graph encrypts with.
type certificates struct {
	c   *common
	own []OwnCertificate

	mu   sync.Mutex
	list []Certificate // the newest first
	keys map[string]crypto.Decrypter
	read time.Time
}

func newCertificates(c *common) *certificates {
	return &certificates{c: c, own: c.o.Certificates, keys: map[string]crypto.Decrypter{}}
}

// current implements [receiving].
func (s *certificates) current(ctx context.Context) (id, der string, err error) {
	if len(s.own) > 0 {
		return s.own[0].ID, base64.StdEncoding.EncodeToString(s.own[0].DER), nil
	}
	// Whoever asks is about to take a certificate from a subscription, maybe.
	if err := s.used(ctx); err != nil {
		return "", "", err
	}
	for range 3 {
		list, err := s.certificates(ctx, certificatesFresh)
		if err != nil {
			return "", "", err
		}
		now, newest := s.c.o.Now(), ""
		if len(list) > 0 {
			c := list[0]
			if now.Sub(c.CreatedAt) < s.c.o.Rotate && now.Before(c.NotAfter) {
				err := s.usable(c)
				if err == nil {
					return c.ID, base64.StdEncoding.EncodeToString(c.DER), nil
				}
				s.c.o.Logger.LogAttrs(ctx, slog.LevelError, "changefeed: the newest certificate cannot be used, another one is made",
					slog.String("certificate", c.ID), slog.Any("error", err))
			}
			newest = c.ID
		}
		made, err := s.make(now)
		if err != nil {
			return "", "", err
		}
		err = s.c.store.AddCertificate(ctx, made, newest)
		if err != nil && !errors.Is(err, ErrChanged) {
			return "", "", fmt.Errorf("changefeed: store a certificate: %w", err)
		}
		s.forget()
	}
	return "", "", fmt.Errorf("changefeed: the certificates change all the time: %w", ErrChanged)
}

// make makes a certificate whose private key is sealed.
func (s *certificates) make(now time.Time) (Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, leastBits)
	if err != nil {
		return Certificate{}, fmt.Errorf("changefeed: make a key: %w", err)
	}
	c := Certificate{ID: strings.ToLower(rand.Text()), CreatedAt: now, UsedAt: now, NotAfter: now.Add(s.c.o.Rotate + certificateSpare)}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "change notifications " + c.ID}, NotBefore: now.Add(-skew), NotAfter: c.NotAfter,
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment, BasicConstraintsValid: true,
	}
	if c.DER, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key); err != nil {
		return Certificate{}, fmt.Errorf("changefeed: make a certificate: %w", err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, fmt.Errorf("changefeed: write a key: %w", err)
	}
	c.Sealed = s.c.box.Seal(raw, "certificate", c.ID)
	return c, nil
}

// usable reports why what is encrypted for a certificate would not open here, or not here alone. The certificate is not sealed:
// whoever can write to the database could put their own in its place and have Graph encrypt for them.
func (s *certificates) usable(c Certificate) error {
	key, err := s.key(c)
	if err != nil {
		return err
	}
	public, err := publicKey(c.DER)
	if err != nil {
		return err
	}
	if own, ok := key.Public().(*rsa.PublicKey); !ok || !own.Equal(public) {
		return errors.New("the certificate is not that of its private key: somebody has changed it in the database")
	}
	return nil
}

// find returns the private key of the certificate named id. It is [errNoCertificate] where the store has none either.
func (s *certificates) find(ctx context.Context, id string) (crypto.Decrypter, error) {
	for _, c := range s.own {
		if c.ID == id {
			return c.Key, nil
		}
	}
	// What a certificate that is not known costs is bounded: one look in some seconds, whoever names it.
	for _, fresh := range []time.Duration{24 * time.Hour, certificatesPause} {
		list, err := s.certificates(ctx, fresh)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(c Certificate) bool { return c.ID == id })
		if i >= 0 {
			return s.key(list[i])
		}
	}
	return nil, errNoCertificate
}

// key opens the private key of a certificate.
func (s *certificates) key(c Certificate) (crypto.Decrypter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.keys[c.ID]; ok {
		return k, nil
	}
	raw, err := s.c.box.Open(c.Sealed, "certificate", c.ID)
	if err != nil {
		return nil, fmt.Errorf("the private key of a certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return nil, errors.New("the private key of a certificate cannot be read")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key of a certificate is no RSA key")
	}
	s.keys[c.ID] = key
	return key, nil
}

// certificates returns what the store has, read anew where that is older than fresh.
func (s *certificates) certificates(ctx context.Context, fresh time.Duration) ([]Certificate, error) {
	now := s.c.o.Now()
	s.mu.Lock()
	list, age := s.list, now.Sub(s.read)
	known := !s.read.IsZero()
	s.mu.Unlock()
	if known && age >= 0 && age < fresh {
		return list, nil
	}
	list, err := s.c.store.Certificates(ctx)
	if err != nil {
		return nil, fmt.Errorf("changefeed: read the certificates: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.read = list, now
	for id := range s.keys {
		if !slices.ContainsFunc(list, func(c Certificate) bool { return c.ID == id }) {
			delete(s.keys, id)
		}
	}
	return list, nil
}

func (s *certificates) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = time.Time{}
}

// keep drops certificates that nothing can be encrypted for any more, and seals what another key than the primary sealed. An
// old private key is kept until no subscription has it, what Graph may still repeat is over, and everything that came in that
// time is handled.
func (s *certificates) keep(ctx context.Context) error {
	if err := s.used(ctx); err != nil {
		return err
	}
	s.forget()
	list, err := s.certificates(ctx, 0)
	if err != nil {
		return err
	}
	oldest, err := s.oldest(ctx)
	if err != nil {
		return err
	}
	now := s.c.o.Now()
	var errs []error
	for i, c := range list {
		over := c.UsedAt.Add(retryWindow + usedMargin)
		if i > 0 && now.After(over) && (oldest.IsZero() || oldest.After(over)) {
			if err := s.c.store.DropCertificate(ctx, c.ID); err != nil && !errors.Is(err, ErrChanged) {
				errs = append(errs, fmt.Errorf("changefeed: drop a certificate: %w", err))
			}
			s.c.o.Logger.LogAttrs(ctx, slog.LevelDebug, "changefeed: a certificate that is not used any more was dropped", slog.String("certificate", c.ID))
			continue
		}
		if sealed, moved, err := s.c.box.Rewrap(c.Sealed, "certificate", c.ID); err != nil {
			errs = append(errs, fmt.Errorf("changefeed: a certificate: %w", err))
		} else if moved {
			errs = append(errs, s.c.store.RewrapCertificate(ctx, c.ID, c.Sealed, sealed))
		}
	}
	s.forget()
	return errors.Join(errs...)
}

// used notes which certificates are in use.
func (s *certificates) used(ctx context.Context) error {
	used, err := s.c.store.CertificatesInUse(ctx)
	if err != nil {
		return fmt.Errorf("changefeed: ask which certificates are in use: %w", err)
	}
	if len(used) == 0 {
		return nil
	}
	if err := s.c.store.CertificateUsed(ctx, used, s.c.o.Now()); err != nil {
		return fmt.Errorf("changefeed: note which certificates are in use: %w", err)
	}
	return nil
}

// oldest returns when the oldest notification was accepted that may still have to be opened, a dead letter too; zero where
// there is none.
func (s *certificates) oldest(ctx context.Context) (time.Time, error) {
	var oldest time.Time
	for _, state := range []backlog.State{backlog.Pending, backlog.Dead} {
		list, err := s.c.store.Backlog().List(ctx, backlog.Filter{State: state, Limit: 1})
		if err != nil {
			return time.Time{}, fmt.Errorf("changefeed: look for the oldest notification: %w", err)
		}
		if len(list) > 0 && (oldest.IsZero() || list[0].AddedAt.Before(oldest)) {
			oldest = list[0].AddedAt
		}
	}
	return oldest, nil
}

// publicKey returns the key of a certificate, if Graph takes it.
func publicKey(der []byte) (*rsa.PublicKey, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("it is no X.509 certificate in DER: %w", mspkit.ErrInvalid)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < leastBits || key.N.BitLen() > mostBits {
		return nil, fmt.Errorf("the certificate must have an RSA key of %d to %d bits: %w", leastBits, mostBits, mspkit.ErrInvalid)
	}
	return key, nil
}
