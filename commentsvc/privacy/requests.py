"""Answer requests of persons about their data, for programs of the operator."""

from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.models import Principal
from commentsvc.privacy.erase import erase_person
from commentsvc.privacy.export import export_person
from commentsvc.privacy.schemas import PersonErasure, PersonExport, PersonRequest
from commentsvc.service import Service
from commentsvc.sites.manage import require_all_sites


async def answer_request(service: Service, who: Principal, request: PersonRequest) -> PersonExport | PersonErasure:
    """Export or erase everything that is stored about an email address.

    Raises:
        Forbidden: the principal is limited to some sites.
        Invalid: the cursor is not valid, or a field belongs to the other action.
        Conflict: the address to erase is a moderator's.
        ExpectationFailed: there is another number of comments than ``expect``.
    """
    require_all_sites(who, f"{request.action} a person's data")
    if request.action == "export":
        if request.expect is not None:
            raise Invalid(FieldError("expect", "unknown_field", "Only an erasure has this field."))
        return await export_person(service, request.email, cursor=request.cursor, actor=who.actor)
    if request.cursor is not None:
        raise Invalid(FieldError("cursor", "unknown_field", "Only an export has this field."))
    return await erase_person(service, request.email, actor=who.actor, expect=request.expect or 0)
