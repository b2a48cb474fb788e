"""Query parameters that tell how a reader came to a page, not which page it is. Listed in docs/embedding.md."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

# Advertising and analytics.
_ADVERTISING: Final = """
    __hsfp __hssc __hstc _bhlid _branch_match_id _branch_referrer _cio_id _ga _gac _gl _hsenc _hsmi _ke _kx
    _openstat admitad_uid af_pid afftrack ajs_aid ajs_event ajs_uid at_campaign at_medium at_recipient_id
    at_recipient_list awc bbeml bsft_clkid bsft_eid bsft_mid bsft_uid calltouch_tm cio_id cjdata cjevent
    ck_subscriber_id cmpid cvid cx_click cx_recsorder cx_recswidget dclid dicbo dm_i dub_id echobox ef_id elqaid
    elqat elqcampaignid elqtrack elqtrackid emc epik erid et_cid et_rid etext fb_action_ids fb_action_types fb_ad_id
    fb_ref fb_source fbadid fbc_id fbcid fbclid from_yandex ga_campaign ga_content ga_medium ga_source ga_term
    gad_campaignid gad_source gbraid gclid gclsrc gs_l gs_lcp gs_lcrp guccounter guce_referrer guce_referrer_sig
    h_ad_id hootpostid hsctatracking hss_channel hsutk icid igsh igshid inf_contact_key inf_ver int_campaign int_cmp
    intcmp irclickid irgwc iterable_campaign itm_campaign itm_content itm_medium itm_source itm_term ito lctg
    li_fat_id li_medium li_source licu lipi mbid mc_cid mc_eid mc_tc mibextid mkcid mkevt mkrid mkt_tok mkwid
    ml_subscriber ml_subscriber_hash msclkid mt_link_id ncid ndclid ns_campaign ns_fee ns_linkname ns_mchannel
    ns_source ob_click_id obclick obclid oborigurl ocid oly_anon_id oly_enc_id omnisendcontactid outbrainclickid
    pcrid raneaid ranmid ransiteid rb_clickid rb_clid rdid rdt_cid reflink roistat s_cid s_kwcid s_r s_source
    sc_campaign sc_channel sc_cid sc_content sc_customer sc_eh sc_lid sc_llid sc_medium sc_src sc_uid sca_esv sccid
    sfmc_id sfmc_key sfmc_sub sfnsn sg_uid sms_click sms_source sms_uph soc_src soc_trk srsltid ss_campaign_id
    ss_email_id ss_source sscid stm_source syclid tbclid tblci tduid tpcc trackingid trk trkcampaign trkinfo tsrc
    ttad_id ttclid tw_adid tw_campaign tw_source twclid unicorn_click_id ved vero_conv vero_id vgo_ee vk_ad_id
    vkclid wbraid wickedid wickedsource wprov wt.mc_id wt.nav wt.srch wt.tsrc wt_mc wt_zmc xtor xtref yadclid yclid
    ymclid yptr ysclid zanpid
"""
# Sharing, messengers and feeds.
_SHARING: Final = """
    __s __tn__ __twitter_impression action_object_map action_ref_map action_type_map appshare apptime appuid
    clicktime comment_tracking enterid fb_comment_id fb_iframe_origin fref from_wecom fromapp hc_location hc_ref
    isappinstalled isfreemail mpshare nr_email_referer nsukey openinapp ref ref_cta ref_loc ref_page ref_src ref_url
    referer referral referrer refid refsrc regi_id sh_kit share sharedfrom sharefrom sharesource shareuid
    showwelcome showwelcomeonshare smid smtyp spm spm_id_from srcid ssp_iabi tdsourcetag triedredirect
    triedsigningin tt_from unique_k vd_source wechat_redirect wxfid wxshare_count xhsshare
"""
# Replies, pages of comments, and pending comments of WordPress.
_REPLIES: Final = """
    _thumbnail_id _wp_http_referer _wpnonce cpage customize_changeset_uuid doing_wp_cron elementor-preview
    like_comment moderation-hash preview_id preview_nonce replytocom showcomment unapproved
"""
# Caches and accelerated pages.
_CACHES: Final = """
    _ _amp _rnd _t _ts amp amp_gsa amp_js_v amp_lite amp_r ao_noptimize ao_noptirocket cache_bust cachebust
    cachebuster cb cn-reloaded fbrefresh nitrononce no_cache noamp nocache nonamp nowprocket rand random rnd usqp
    w3tc_note wordfence_lh
"""
TRACKING: Final = frozenset(f"{_ADVERTISING}{_SHARING}{_REPLIES}{_CACHES}".split())
TRACKING_PREFIXES: Final = (
    "__cf_chl_",
    "__cft__",
    "__xts__",
    "_bta_",
    "_x_tr_",  # a translation proxy
    "gaa_",
    "gtm_",
    "hmb_",
    "hsa_",
    "hubs_",
    "matomo_",
    "mindbox-",
    "mtm_",
    "oft_",
    "piwik_",
    "pk_",
    "share_",
    "sharer_",
    "trk_",
    "utm_",
    "weixin_",
)
# These names may select a page. Only these values tell how a reader came.
TRACKING_VALUES: Final = {
    "action": frozenset({"share"}),
    "cmp": frozenset({"share_btn_fb", "share_btn_link", "share_btn_tw", "share_btn_url", "share_btn_wa"}),
    "feature": frozenset({"share", "youtu.be"}),
    "from": frozenset({"groupmessage", "singlemessage", "timeline"}),
    "m": frozenset({"0", "1"}),  # Blogger's pages for phones
    "nb": frozenset({"1"}),
    "output": frozenset({"amp"}),
    "outputtype": frozenset({"amp"}),
    "preview": frozenset({"true"}),
    "source": frozenset(
        {"email", "facebook", "feed", "friends_link", "linkedin", "newsletter", "rss", "social", "substack", "twitter"}
    ),
}
# These names may select a page, but not with a time in milliseconds (2017 to 2033): scripts that change pages add it,
# so that no cache answers, and some leave it in the address.
TIMED: Final = frozenset({"t", "time", "timestamp", "ts", "v"})
MILLISECONDS: Final = re.compile(r"1[5-9]\d{11}")
_APPENDING: Final = re.compile("([?;])")
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
        timed = name in TIMED and MILLISECONDS.fullmatch(value) is not None
        return listed or timed or value in TRACKING_VALUES.get(name, ())

    def remove_from(self, pair: str) -> str:
        """Return a ``name=value`` without what does not count; empty if all of it does not.

        Mailers append ``?utm_source=x`` or ``;utm_source=x`` to addresses that have parameters already.
        """
        pieces = _APPENDING.split(pair)
        while len(pieces) > 1 and "=" in pieces[-1] and self.matches(pieces[-1]):
            del pieces[-2:]
        kept = "".join(pieces)
        return "" if self.matches(kept) else kept


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
