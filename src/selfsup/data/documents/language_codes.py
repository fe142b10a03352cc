"""Codes of languages that names of files have: ISO 639-1, and those of ISO 639-2 and 639-3 that are in use."""

from __future__ import annotations

CODES = frozenset(
    code
    for line in (
        "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es",
        "et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj",
        "kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv",
        "ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti",
        "tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu",
        "afr alb amh ara arm aze baq bel ben bos bre bul bur cat ces chi cym cze dan deu dut ell eng epo est eus fas fin fra fre",
        "geo ger gle glg gre guj hau heb hin hrv hun hye ibo ice ind isl ita jav jpn kan kat kaz khm kor lao lat lav lit ltz mal",
        "mar mkd mlt mon mri msa mya nep nld nno nob nor pan pol por pus ron rum rus sin slk slo slv som spa sqi srp swa swe tam",
        "tat tel tgl tha tur ukr urd uzb vie xho yid yor zho zul",
    )
    for code in line.split()
)
