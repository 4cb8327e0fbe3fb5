// Package dirblob keeps the sealed parts of files in a local folder.
//
//	blobs, err := dirblob.New("/var/lib/helpdesk/sends", &dirblob.Options{Region: "Canada Central"})
//	// … give it to the service; when the program ends:
//	err = blobs.Close()
//
// The folder is created where its parent is there, which tells a volume that is not mounted from one that is empty. In it
// a send has a folder of its own, in one of 256 that spread them:
//
//	<2 hex digits>/<62 hex digits>/<file>-<part>.part
//
// The digits are the SHA-256 of tenant and id, so names fit every file system, Windows' and those that do not tell upper
// from lower case among them. Folders that are empty are removed. Whatever else lies in the folder is left alone, such as
// lost+found.
//
// # What a crash leaves
//
// A part is written to a file of its own, flushed to the disk, and then renamed; the folders are flushed too. A process
// that is killed, and a machine that loses power, leaves a part as a whole, or the one that was there before, or none.
// What [Store.Put] has answered is on the disk, as far as the disk tells the truth, and so is what [Store.Delete] has
// answered. On Windows folders cannot be flushed: there a loss of power, not a killed process, may undo the last moments.
//
// An upload that was killed leaves a file that nobody sees. Delete deletes it together with its send, so nothing has to
// be done about them; [Store.Clean] deletes them earlier, where a disk is small.
//
// # Security
//
// What is stored is sealed, and half of each key is in the secret store only. Everything in the folder can be read by the
// user of the process alone, mode 0700 and 0600; a folder that everybody may write to is refused. Access goes through
// [os.Root], so that a symbolic link planted in the folder leads nowhere outside. Names of tenants and of files are not in it.
//
// Deleting unlinks. Backups and snapshots of the folder, and the disk's unused blocks, keep what was deleted for a while.
// That does no harm as long as the secret store is not restored along with them: the server's half of the key was
// destroyed there, and without it nobody can open the bytes, the holder of the link among them.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of stores and processes of one machine may share a folder. A part
// whose send is deleted while it is uploaded is not stored. Network file systems are not supported: many do not rename
// atomically.
//
// # Errors
//
// What the operating system reports is wrapped, so that errors.Is finds syscall.ENOSPC where the disk is full. Its text
// has the path, which has no secret in it and does not belong in a page either. Besides:
//
//	errors.Is                returned by          meaning
//	mspkit.ErrInvalid        New                  the path is empty, no folder, or open to everybody
//	securesend.ErrInvalid    all verbs            the ref or part cannot be one; an offset or length is below 0
//	securesend.ErrNoPart     Open                 there is no such part
//	io.ErrUnexpectedEOF      Open, its reader     the part is shorter than what was asked for
//	os.ErrClosed             all verbs            the store was closed
package dirblob
