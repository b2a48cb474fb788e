"""Query parameters that tell how a reader came to a page, not which page it is. Listed in docs/embedding.md."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

TRACKING: Final = frozenset(
    {
        # Advertising and analytics.
        "_ga",
        "_gl",
        "_hsenc",
        "_hsmi",
        "_ke",
        "_kx",
        "_openstat",
        "dclid",
        "dicbo",
        "epik",
        "fb_action_ids",
        "fb_action_types",
        "fb_ref",
        "fb_source",
        "fbclid",
        "gad_campaignid",
        "gad_source",
        "gbraid",
        "gclid",
        "gclsrc",
        "igsh",
        "igshid",
        "irclickid",
        "irgwc",
        "mc_cid",
        "mc_eid",
        "mibextid",
        "mkt_tok",
        "ml_subscriber",
        "ml_subscriber_hash",
        "msclkid",
        "ndclid",
        "oly_anon_id",
        "oly_enc_id",
        "rb_clickid",
        "s_cid",
        "s_kwcid",
        "sc_cid",
        "sfnsn",
        "srsltid",
        "tblci",
        "ttclid",
        "twclid",
        "vero_conv",
        "vero_id",
        "wbraid",
        "wickedid",
        "wickedsource",
        "wt_mc",
        "wt_zmc",
        "xtor",
        "yadclid",
        "yclid",
        "ymclid",
        "ysclid",
        # Sharing, messengers and feeds.
        "__tn__",
        "__twitter_impression",
        "action_object_map",
        "action_ref_map",
        "action_type_map",
        "isappinstalled",
        "nr_email_referer",
        "nsukey",
        "ref",
        "ref_src",
        "ref_url",
        "referrer",
        "share",
        "share_from",
        "share_id",
        "share_medium",
        "share_source",
        "share_token",
        "sharedfrom",
        "sharesource",
        "spm",
        "tdsourcetag",
        # Replies, pages of comments, and pending comments of WordPress.
        "cpage",
        "doing_wp_cron",
        "like_comment",
        "moderation-hash",
        "replytocom",
        "unapproved",
        # Caches and accelerated pages.
        "_",
        "amp",
        "amp_gsa",
        "amp_js_v",
        "amp_r",
        "cache_bust",
        "cachebust",
        "cachebuster",
        "cb",
        "nocache",
        "usqp",
    }
)
TRACKING_PREFIXES: Final = (
    "_bta_",
    "_x_tr_",  # a translation proxy
    "hsa_",
    "matomo_",
    "mtm_",
    "piwik_",
    "pk_",
    "trk_",
    "utm_",
    "weixin_",
)
# These names may select a page. Only these values tell how a reader came.
TRACKING_VALUES: Final = {
    "from": frozenset({"groupmessage", "singlemessage", "timeline"}),
    "nb": frozenset({"1"}),
    "output": frozenset({"amp"}),
    "outputtype": frozenset({"amp"}),
    "source": frozenset({"email", "facebook", "feed", "linkedin", "newsletter", "rss", "social", "twitter"}),
}
NAME: Final = re.compile(r"[^\s=&#?*]+\*?")


@dataclass(frozen=True)
class DroppedParameters:
    """Names of query parameters that do not count, in lower case, and beginnings of such names."""

    names: frozenset[str] = TRACKING
    prefixes: tuple[str, ...] = TRACKING_PREFIXES

    def matches(self, pair: str) -> bool:
        """Return whether a ``name=value`` of a query string does not count."""
        name, _, value = (_unquote(part) for part in pair.partition("="))
        name = name.removeprefix("amp;")  # of an address copied from HTML source
        listed = name in self.names or name.startswith(self.prefixes)
        return listed or value in TRACKING_VALUES.get(name, ())


STANDARD: Final = DroppedParameters()


def parse_dropped_parameters(text: str) -> DroppedParameters:
    """Return the standard parameters and these: names separated by spaces; a final star means any ending.

    Raises:
        ValueError: a name is empty, or contains a character that separates parameters.
    """
    names, prefixes = set(TRACKING), [*TRACKING_PREFIXES]
    for word in text.split():
        if not NAME.fullmatch(word):
            raise ValueError(word)
        name = _unquote(word)
        if name.endswith("*"):
            prefixes.append(name.removesuffix("*"))
        else:
            names.add(name)
    return DroppedParameters(frozenset(names), tuple(prefixes))


def _unquote(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace").lower()
