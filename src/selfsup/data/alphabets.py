"""Letters beyond ASCII that languages are written with: a text of one language keeps to its own."""

from __future__ import annotations

_RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"

ALPHABETS: dict[str, frozenset[str]] = {
    language: frozenset(letters)
    for language, letters in {
        "Catalan": "àçèéíïòóúü",
        "Croatian, Slovene": "čćđšž",
        "Czech": "áčďéěíňóřšťúůýž",
        "Danish, Norwegian": "æøåéèêòóô",
        "Dutch": "éëïóöüèê",
        "Estonian": "äõöüšž",
        "Finnish, Swedish": "äöåé",
        "French": "àâæçéèêëîïôœùûüÿ",
        "German": "äöüß",
        "Hungarian": "áéíóöőúüű",
        "Icelandic": "áðéíóúýþæö",
        "Irish": "áéíóú",
        "Italian": "àèéìíîòóùú",
        "Latvian": "āčēģīķļņšūž",
        "Lithuanian": "ąčęėįšųūž",
        "Polish": "ąćęłńóśźż",
        "Portuguese": "ãáàâçéêíõóôúü",
        "Romanian": "ăâîșțşţ",
        "Slovak": "áäčďéíĺľňóôŕšťúýž",
        "Spanish": "áéíñóúüºª",
        "Turkish": "çğıİöşüâîû\u0307",
        "Vietnamese": "ăâđêôơưàáèéìíòóùúýãõĩũ",
        "Welsh": "âêîôûŵŷ",
        "Greek": "".join(map(chr, range(0x390, 0x3CF))),
        "Russian, Bulgarian": _RUSSIAN,
        "Belarusian": _RUSSIAN + "іў",
        "Macedonian, Serbian": "абвгдежзиклмнопрстуфхцчшђјљњћџѓѕќ",
        "Ukrainian": _RUSSIAN + "ґєії",
        "Hebrew": "".join(map(chr, range(0x5D0, 0x5EB))),
        "Arabic, Persian, Urdu": "".join(map(chr, (*range(0x621, 0x64B), 0x67E, 0x686, 0x698, 0x6A9, 0x6AF, 0x6CC, 0x6D2, 0x6BE))),
        "Thai": "".join(map(chr, range(0xE01, 0xE4F))),
    }.items()
}
_KANA = "".join(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FD))))
_HANS = "的一是不了在有人我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好用件，。"
_HANT = "的一是不了在有人我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可里後小麼心多天而能好用件，。"
_HANGUL = "이다는의에을가은하고로지한도를리기사어나대자스시인라해그들아서정일수부과보있게상만원여러전구제주조용장니으면와습된터"
# The most frequent signs of what each encoding of East Asia is for: among its signs 12 % at least, a quarter mostly.
FREQUENT: dict[str, frozenset[str]] = {
    encoding: frozenset(signs)
    for encoding, signs in (("cp932", _KANA), ("euc_jp", _KANA), ("cp949", _HANGUL), ("gb18030", _HANS), ("big5", _HANT))
}
EXPECTED_SHARE = 0.12
# The same for letters: those of two scripts look alike to everything else that is counted here, once they are small.
FREQUENT_LETTERS: dict[str, tuple[frozenset[str], float]] = {
    "cyrillic": (frozenset("оеаинтсрвліј"), 0.5),
    "greek": (frozenset("αιοετνσςρκπυηόίάέ"), 0.6),
}
