// Package cloudblob keeps the sealed parts of files in object storage: Amazon S3 and what speaks its protocol, Azure Blob
// Storage, Google Cloud Storage, and whatever else has a driver of [gocloud.dev/blob].
//
//	import _ "gocloud.dev/blob/s3blob" // the driver is the host's choice
//
//	bucket, err := blob.OpenBucket(ctx, "s3://contoso-sends?region=ca-central-1")
//	blobs, err := cloudblob.New(bucket, &cloudblob.Options{Region: "Canada Central", Prefix: "helpdesk/"})
//	// … give it to the service; when the program ends:
//	err = bucket.Close()
//
// A part is the object <prefix><64 hex digits>/<file>-<part>. The digits are the SHA-256 of tenant and id: names of
// tenants are not in the storage's logs, and every name fits every storage. Nothing else may be written below the prefix.
//
// It is a module of its own, because gocloud.dev raises the versions of gRPC and others in the build of who requires it.
//
// # What a crash leaves
//
// Storage shows an object when it was written as a whole, so a part is there or is not. A full part, 8 MiB and 128 bytes,
// is sent in one request, which leaves nothing where it breaks. Larger ones go in pieces; an upload in pieces that is
// killed leaves these in S3 without a name, where only a lifecycle rule deletes them (AbortIncompleteMultipartUpload): set
// one.
//
// For a local folder take package dirblob, not gocloud.dev's fileblob, which does not flush to the disk. Where fileblob
// is used anyway, give it NoTempDir and MetadataDontWrite: the file with the metadata is not written atomically.
//
// # Deleted is not always gone
//
// A bucket with versions keeps what [Store.Delete] deletes as an older version, soft delete and retention rules keep it for
// their time, and backups and replicas for theirs. A user with access to these can get the bytes. They cannot open them:
// half of the key was in the secret store, it was destroyed when the send was read, revoked or had expired, and the
// other half is in the link. So what remains is random bytes, of whom even the holder of the link makes nothing. That
// holds as long as the secret store is not restored from before, which its documentation speaks about. Storage costs
// money all the same: a lifecycle rule that deletes older versions after a day is right for this bucket, because nobody
// restores them.
//
// # Security
//
// What is stored is sealed. The bucket needs no public access and no signed URLs, and the credentials of the process need
// to list, read, write and delete below the prefix, and no more. Objects are of type application/octet-stream.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances may share a bucket. The storage must list what was
// written before, as S3, Azure and Google do. A part that is uploaded while its send is deleted may be there afterwards;
// the next Delete deletes it.
//
// # Errors
//
// What the driver reports is wrapped; gcerrors.Code of gocloud.dev tells its kind. Besides:
//
//	errors.Is                returned by          meaning
//	mspkit.ErrInvalid        New                  there is no bucket, or the prefix cannot be one
//	securesend.ErrInvalid    all verbs            the ref or part cannot be one; an offset or length is below 0
//	securesend.ErrNoPart     Open                 there is no such part
//	io.ErrUnexpectedEOF      Open, its reader     the part is shorter than what was asked for
package cloudblob
