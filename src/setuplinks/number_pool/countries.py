"""The country of a phone number, by how it begins.

Owns one small table: the country codes of ITU-T Recommendation E.164 (list of assigned codes, as annexed to the
Operational Bulletin), and within +1 the area codes of the North American Numbering Plan (nanpa.com, cnac.ca). It does
not judge whether a number exists. A library that does weighs some megabytes; the operator may name the country instead.
"""

import re
from functools import cache

E164 = re.compile(r"\+[1-9][0-9]{6,14}")

_CODES = (
    "20EG 211SS 212MA 213DZ 216TN 218LY 220GM 221SN 222MR 223ML 224GN 225CI 226BF 227NE 228TG 229BJ 230MU 231LR 232SL "
    "233GH 234NG 235TD 236CF 237CM 238CV 239ST 240GQ 241GA 242CG 243CD 244AO 245GW 246IO 247AC 248SC 249SD 250RW 251ET "
    "252SO 253DJ 254KE 255TZ 256UG 257BI 258MZ 260ZM 261MG 262RE 262269YT 262639YT 263ZW 264NA 265MW 266LS 267BW 268SZ "
    "269KM 27ZA 290SH 291ER 297AW 298FO 299GL 30GR 31NL 32BE 33FR 34ES 350GI 351PT 352LU 353IE 354IS 355AL 356MT 357CY "
    "358FI 35818AX 359BG 36HU 370LT 371LV 372EE 373MD 374AM 375BY 376AD 377MC 378SM 379VA 380UA 381RS 382ME 383XK "
    "385HR 386SI 387BA 389MK 39IT 3906698VA 40RO 41CH 420CZ 421SK 423LI 43AT 44GB 441481GG 441534JE 441624IM 45DK "
    "46SE 47NO 4779SJ 48PL 49DE 500FK 501BZ 502GT 503SV 504HN 505NI 506CR 507PA 508PM 509HT 51PE 52MX 53CU 54AR 55BR "
    "56CL 57CO 58VE 590GP 591BO 592GY 593EC 594GF 595PY 596MQ 597SR 598UY 5993BQ 5994BQ 5997BQ 5999CW 60MY 61AU "
    "6189162CC 6189164CX 62ID 63PH 64NZ 65SG 66TH 670TL 672NF 6721AQ 673BN 674NR 675PG 676TO 677SB 678VU 679FJ 680PW "
    "681WF 682CK 683NU 685WS 686KI 687NC 688TV 689PF 690TK 691FM 692MH 7RU 76KZ 77KZ 81JP 82KR 84VN 850KP 852HK 853MO "
    "855KH 856LA 86CN 880BD 886TW 90TR 91IN 92PK 93AF 94LK 95MM 960MV 961LB 962JO 963SY 964IQ 965KW 966SA 967YE 968OM "
    "970PS 971AE 972IL 973BH 974QA 975BT 976MN 977NP 98IR 992TJ 993TM 994AZ 995GE 996KG 998UZ 1US"
)
_CANADA = (
    "204 226 236 249 250 257 263 289 306 343 354 365 367 368 382 387 403 416 418 428 431 437 438 450 460 468 474 506 "
    "514 519 537 548 568 579 581 584 587 604 613 639 647 672 683 705 709 742 753 778 780 782 807 819 825 867 873 879 "
    "902 905 942"
)
_ISLANDS = (
    "242BS 246BB 264AI 268AG 284VG 340VI 345KY 441BM 473GD 649TC 658JM 664MS 670MP 671GU 684AS 721SX 758LC 767DM 784VC "
    "787PR 809DO 829DO 849DO 868TT 869KN 876JM 939PR"
)
_LONGEST = 7


def country_of(number: str) -> str | None:
    """The ISO 3166 code of a number in E.164; None where no country has this beginning (800, 870 and the like)."""
    digits, table = number.removeprefix("+"), _table()
    return next((table[digits[:n]] for n in range(_LONGEST, 0, -1) if digits[:n] in table), None)


def written(text: str) -> str | None:
    """A number as people write it (`+54 9 351 555-0100`) in E.164; None where it is none."""
    tidy = "+" + re.sub(r"[\s().-]", "", text).removeprefix("+") if text.strip().startswith("+") else ""
    return tidy if E164.fullmatch(tidy) else None


@cache
def _table() -> dict[str, str]:
    within = {"1" + area: "CA" for area in _CANADA.split()}
    within |= {"1" + piece[:-2]: piece[-2:] for piece in _ISLANDS.split()}
    return {piece[:-2]: piece[-2:] for piece in _CODES.split()} | within
