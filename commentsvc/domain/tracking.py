"""Query parameters that tell how a reader came to a page, not which page it is. Listed in docs/embedding.md."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

TRACKING: Final = frozenset(
    {
        # Advertising and analytics.
        "_branch_match_id",
        "_branch_referrer",
        "_ga",
        "_gl",
        "_hsenc",
        "_hsmi",
        "_ke",
        "_kx",
        "_openstat",
        "at_campaign",
        "at_medium",
        "bsft_clkid",
        "bsft_uid",
        "cjevent",
        "ck_subscriber_id",
        "cmpid",
        "cvid",
        "dclid",
        "dicbo",
        "elqtrack",
        "elqtrackid",
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
        "gs_l",
        "gs_lcp",
        "gs_lcrp",
        "guccounter",
        "guce_referrer",
        "guce_referrer_sig",
        "hss_channel",
        "icid",
        "igsh",
        "igshid",
        "irclickid",
        "irgwc",
        "ito",
        "li_fat_id",
        "li_medium",
        "li_source",
        "lipi",
        "mbid",
        "mc_cid",
        "mc_eid",
        "mc_tc",
        "mibextid",
        "mkt_tok",
        "ml_subscriber",
        "ml_subscriber_hash",
        "msclkid",
        "ncid",
        "ndclid",
        "oly_anon_id",
        "oly_enc_id",
        "rb_clickid",
        "rdid",
        "rdt_cid",
        "s_cid",
        "s_kwcid",
        "s_source",
        "sc_cid",
        "sca_esv",
        "sfnsn",
        "sms_click",
        "sms_source",
        "sms_uph",
        "srsltid",
        "ss_campaign_id",
        "ss_email_id",
        "ss_source",
        "tblci",
        "tpcc",
        "trk",
        "ttclid",
        "twclid",
        "ved",
        "vero_conv",
        "vero_id",
        "wbraid",
        "wickedid",
        "wickedsource",
        "wprov",
        "wt_mc",
        "wt_zmc",
        "xtor",
        "yadclid",
        "yclid",
        "ymclid",
        "ysclid",
        # Sharing, messengers and feeds.
        "__cft__",
        "__cft__[0]",
        "__s",
        "__tn__",
        "__twitter_impression",
        "__xts__",
        "action_object_map",
        "action_ref_map",
        "action_type_map",
        "fb_comment_id",
        "fb_iframe_origin",
        "from_wecom",
        "isappinstalled",
        "nr_email_referer",
        "nsukey",
        "ref",
        "ref_cta",
        "ref_loc",
        "ref_page",
        "ref_src",
        "ref_url",
        "referrer",
        "share",
        "share_app_id",
        "share_from",
        "share_id",
        "share_medium",
        "share_source",
        "share_tag",
        "share_token",
        "sharedfrom",
        "sharefrom",
        "sharesource",
        "shareuid",
        "smid",
        "smtyp",
        "spm",
        "ssp_iabi",
        "tdsourcetag",
        "wxfid",
        "wxshare_count",
        # Replies, pages of comments, and pending comments of WordPress.
        "_wp_http_referer",
        "_wpnonce",
        "cpage",
        "doing_wp_cron",
        "like_comment",
        "moderation-hash",
        "preview_id",
        "preview_nonce",
        "replytocom",
        "showcomment",
        "unapproved",
        # Caches and accelerated pages.
        "_",
        "_amp",
        "amp",
        "amp_gsa",
        "amp_js_v",
        "amp_lite",
        "amp_r",
        "cache_bust",
        "cachebust",
        "cachebuster",
        "cb",
        "no_cache",
        "noamp",
        "nocache",
        "nonamp",
        "nowprocket",
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
    "feature": frozenset({"share"}),
    "from": frozenset({"groupmessage", "singlemessage", "timeline"}),
    "m": frozenset({"0", "1"}),  # Blogger's pages for phones
    "nb": frozenset({"1"}),
    "output": frozenset({"amp"}),
    "outputtype": frozenset({"amp"}),
    "preview": frozenset({"true"}),
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


@lru_cache(maxsize=8)  # every request asks for those in the settings
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
