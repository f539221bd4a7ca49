"""Subjects and bodies in the charsets of the world, encoded and raw."""

from .parts import base64_lines, crlf, encoded_word, head, mime, quoted_printable

MAILS = {
    "utf8-8bit": (
        "UTF-8 as 8bit text",
        head(encoded_word("Déjeuner à midi", "utf-8", "Q"), number=201, extra=mime("text/plain; charset=utf-8", "8bit"))
        + crlf("\nÇa va ? Naïve façade, Straße, Ελλάδα, Україна, 日本語, עברית, 😀.\n.déjà vu\n"),
    ),
    "latin1": (
        "ISO-8859-1 as raw 8bit text, the subject in Q",
        head(encoded_word("Übergrößenträger", "ISO-8859-1", "Q"), number=202, extra=mime("text/plain; charset=ISO-8859-1", "8bit"))
        + crlf("\nSchöne Grüße aus Österreich, 3 £ für die Frühstückssemmel.\n", "iso-8859-1"),
    ),
    "latin1-raw-subject": (
        "ISO-8859-1 octets in the subject without any encoding: not UTF-8, yet kept",
        head("x", number=203).replace(b"Subject: x", b"Subject: Gr\xfc\xdfe aus K\xf6ln") + crlf("\nText\n"),
    ),
    "shift-jis": (
        "Shift_JIS, whose second octets may be ASCII (backslash among them); an underscore in the charset's name",
        head(encoded_word("ソフトウェアの表示", "Shift_JIS", "B"), number=204, extra=mime("text/plain; charset=Shift_JIS", "8bit"))
        + crlf("\n能力表を送ります。\nソースコードも申し込みます。\n", "shift_jis"),
    ),
    "iso-2022-jp": (
        "ISO-2022-JP: seven bits and escape sequences",
        head(
            encoded_word("会議の", "ISO-2022-JP", "B") + "\n " + encoded_word("お知らせ", "ISO-2022-JP", "B"),
            number=205,
            extra=mime("text/plain; charset=ISO-2022-JP"),
        )
        + crlf("\n明日の会議は十時からです。\n.\n", "iso2022_jp"),
    ),
    "koi8-r": (
        "KOI8-R as raw 8bit text, the subject in B",
        head(encoded_word("Привет из Москвы", "koi8-r", "B"), number=206, extra=mime("text/plain; charset=koi8-r", "8bit"))
        + crlf("\nЗдравствуйте, Вера!\n.Точка в начале строки.\n", "koi8_r"),
    ),
    "gb18030": (
        "GB18030 with four-octet characters, base64",
        head(encoded_word("天气预报", "gb18030", "B"), number=207, extra=mime("text/plain; charset=gb18030", "base64"))
        + b"\r\n"
        + base64_lines("今天晴，最高气温二十度。\n😀\n".encode("gb18030")),
    ),
    "quoted-printable": (
        "quoted-printable with soft line breaks, trailing blanks and a line that starts with a dot",
        head("Quoted", number=208, extra=mime("text/plain; charset=utf-8", "quoted-printable"))
        + b"\r\n"
        + quoted_printable("Blümchen " * 30 + "\n.Punkt am Anfang\nBlank am Ende \n=== Gleich ===\n"),
    ),
}
