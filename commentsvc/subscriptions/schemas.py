"""Schemas of requests and responses about confirmed addresses."""

from typing import Annotated

from msgspec import Meta, Struct

from commentsvc.domain.fields import SiteName


class NewProof(Struct, frozen=True, kw_only=True):
    """The code with which a confirmed address is proven to a browser."""

    code: Annotated[str, Meta(max_length=200, description="From the fragment of the page: #confirmed=cp_….")]
    site: SiteName | None = None
    author_token: (
        Annotated[str, Meta(max_length=200, description="If this browser has one, it stays the same.")] | None
    ) = None


class Proof(Struct, frozen=True):
    """The author token of a browser whose user has confirmed an address."""

    author_token: Annotated[str, Meta(description="Send it with comments: with this address, they are verified.")]
