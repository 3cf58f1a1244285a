package wire

// Capability is a set of what client and server agree on. The lower half is
// MySQL's, the upper half what MariaDB adds.
type Capability uint64

// The capabilities.
const (
	LongPassword Capability = 1 << iota // MariaDB calls the bit CLIENT_MYSQL: without it the upper half counts
	FoundRows
	LongFlag
	ConnectWithDB
	NoSchema
	Compress
	ODBC
	LocalFiles
	IgnoreSpace
	Protocol41
	Interactive
	TLS
	IgnoreSigpipe
	Transactions
	reserved
	SecureConnection
	MultiStatements
	MultiResults
	PSMultiResults
	PluginAuth
	ConnectAttrs
	PluginAuthLenenc
	ExpiredPasswords
	SessionTrack
	DeprecateEOF
	OptionalMetadata
	ZstdCompression
	QueryAttributes
	MultiFactor
	CapabilityExtension
	VerifyServerCert
	RememberOptions

	MariaProgress         // reports of progress come as packets in front of an answer
	MariaComMulti         // never used by servers that live
	MariaBulk             // COM_STMT_BULK_EXECUTE
	MariaExtendedMetadata // more about a column's type
	MariaCacheMetadata    // metadata of prepared statements is left out when it is the same
	MariaBulkUnitResults  // one result for each row of a bulk
)

// Carried is what a client may agree on with a server through the router. What
// is left out:
//
//   - Compress, ZstdCompression: the router would have to compress for its part.
//   - MultiFactor: a second factor cannot be shown to a second server.
//   - OptionalMetadata, MariaCacheMetadata: an answer may then come without the
//     descriptions of its columns, depending on what that server sent before; the
//     client's last answer may have come from another one.
//   - MariaComMulti: nobody speaks it.
//   - TLS: each of the two connections agrees on its own.
//   - RememberOptions, VerifyServerCert: of the client's library only.
const Carried = LongPassword | FoundRows | LongFlag | ConnectWithDB | NoSchema | ODBC | LocalFiles | IgnoreSpace | Protocol41 |
	Interactive | IgnoreSigpipe | Transactions | SecureConnection | MultiStatements | MultiResults | PSMultiResults | PluginAuth |
	ConnectAttrs | PluginAuthLenenc | ExpiredPasswords | SessionTrack | DeprecateEOF | QueryAttributes |
	MariaProgress | MariaBulk | MariaExtendedMetadata | MariaBulkUnitResults

// Has reports whether all of want are there.
func (c Capability) Has(want Capability) bool { return c&want == want }
