"""What the provenance room refuses, as problems.

`standard` is the exception of EPCIS 2.0 that it is, where that does not follow from the status.
"""

from backend.kit.problems import Problem


class DocumentInvalid(Problem):
    """The bytes are no EPCIS document, or its envelope breaks the standard; `errors` says where."""

    status, code = 400, "epcis-document-invalid"


class DocumentTooLarge(Problem):
    """The document has more bytes or events than this repository takes at once."""

    status, code = 413, "epcis-document-too-large"


class MediaTypeUnknown(Problem):
    """The content type is neither JSON nor XML."""

    status, code = 415, "epcis-media-type"


class BodyNotJson(Problem):
    """Queries and subscriptions are taken as JSON alone."""

    status, code = 415, "epcis-body-not-json"


class NotAcceptable(Problem):
    """No representation the client accepts can be given."""

    status, code = 406, "epcis-not-acceptable"


class LogMissing(Problem):
    """This ledger's deployment has no log of events."""

    status, code = 501, "log-missing"


class AccountNotYours(Problem):
    """The account is not one of the caller's party."""

    status, code = 403, "capture-account-not-yours"


class SignatureInvalid(Problem):
    """The signature of the document is not one of a key that may record for the account."""

    status, code = 403, "capture-signature-invalid"


class SignatureIncomplete(Problem):
    """A signature came without the account it is for, or the other way round with a machine's key."""

    status, code = 400, "capture-signature-incomplete"


class EventUnknown(Problem):
    """There is no such event that the caller may read."""

    status, code = 404, "epcis-event-unknown"


class QueryInvalid(Problem):
    """A query parameter is unknown or malformed."""

    status, code = 400, "epcis-query-invalid"
    standard = "QueryParameterException"


class MasterDataNotKept(Problem):
    """The query asks for attributes of master data (the standard's ImplementationException)."""

    status, code = 501, "epcis-master-data-not-kept"


class QueryTooComplex(Problem):
    """The query would take more than this repository gives one client."""

    status, code = 413, "epcis-query-too-complex"
    standard = "QueryTooComplexException"


class QueryTooLarge(QueryTooComplex):
    """More events answer than the query says it takes (`maxEventCount`)."""

    standard = "QueryTooLargeException"


class ScheduleInvalid(QueryInvalid):
    """A field of a schedule is unknown or malformed, or no moment ever matches it."""

    standard = "SubscriptionControlsException"


class AddressTooLong(Problem):
    """The address has more characters than this repository reads."""

    status, code = 414, "epcis-address-too-long"


class NotInTree(Problem):
    """A proof was asked for that cannot exist."""

    status, code = 404, "log-proof-impossible"


class QueryUnknown(Problem):
    """The party has no query of this name."""

    status, code = 404, "epcis-query-unknown"
    standard = "NoSuchNameException"


class QueryExists(Problem):
    """The party already has a query of this name."""

    status, code = 409, "epcis-query-exists"
    standard = "ResourceAlreadyExistsException"


class SubscriptionUnknown(Problem):
    """The query has no such subscription."""

    status, code = 404, "epcis-subscription-unknown"


class ResourceUnknown(Problem):
    """No event that the caller may read has this value."""

    status, code = 404, "epcis-resource-unknown"


class FieldUnknown(Problem):
    """The event has no such field."""

    status, code = 404, "epcis-field-unknown"


class ErasureTooEarly(Problem):
    """Monitors have not had the time to see the event that they were promised."""

    status, code = 409, "epcis-erasure-too-early"


class CosignatureInvalid(Problem):
    """The note is no checkpoint of this log, or is not co-signed with the key it names."""

    status, code = 422, "log-cosignature-invalid"


class GrantUnknown(Problem):
    """The party gave no such grant."""

    status, code = 404, "epcis-grant-unknown"


class ReaderUnknown(Problem):
    """The reader of a grant is no other party of this ledger."""

    status, code = 422, "epcis-grant-reader-unknown"


class VersionNotSpoken(Problem):
    """The versions of EPCIS or CBV the client can use leave out the one spoken here."""

    status, code = 406, "epcis-version"
