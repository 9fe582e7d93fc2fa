"""E-mail: who wrote what, in whatever way the message was wrapped up."""

from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart

import pytest

from groundtune.errors import UserError
from groundtune.parse import parse


def message(text: str = "", subject: str = "Returns of lamps – until when?") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = "Ann Lee <ann@example.org>"
    mail["To"] = "bob@example.org, Carl <carl@example.org>"
    mail["Date"] = "Mon, 02 Nov 2026 10:00:00 +0100"
    if text:
        mail.set_content(text)
    return mail


def body(mail: EmailMessage | bytes) -> str:
    """The text below the header."""
    text = parse("a.eml", mail if isinstance(mail, bytes) else mail.as_bytes()).text
    return text.partition("+0100\n\n")[2]


def raw(headers: str, payload: bytes) -> bytes:
    return f"From: a@example.org\nDate: Mon, 02 Nov 2026 10:00:00 +0100\n{headers}\n\n".encode() + payload


def test_a_message_has_its_subject_as_title_and_says_who_wrote_to_whom_and_when() -> None:
    parsed = parse("a.eml", message("Hello,\n\nuntil Friday.\n\n> When?\n> Soon?\n").as_bytes())
    assert parsed.title == "Returns of lamps – until when?"
    assert parsed.text == (
        "Returns of lamps – until when?\n\nFrom: Ann Lee <ann@example.org>\n"
        "To: bob@example.org, Carl <carl@example.org>\nDate: Mon, 02 Nov 2026 10:00:00 +0100\n\n"
        "Hello,\n\nuntil Friday.\n\n> When?\n> Soon?"
    )
    assert [section.heading for section in parsed.sections] == [parsed.title]
    assert parsed.metadata == {
        "from": "Ann Lee <ann@example.org>",
        "to": "bob@example.org, Carl <carl@example.org>",
        "date": "2026-11-02T10:00:00+01:00",
    }


def test_without_a_subject_the_files_name_is_the_title_and_an_odd_date_stays_as_it_is() -> None:
    parsed = parse("note.eml", b"From: a@example.org\nDate: some day\n\nWords.")
    assert parsed.title == "note"
    assert parsed.metadata["date"] == "some day"


def test_plain_text_goes_before_html_unless_it_is_empty() -> None:
    mail = message("Plain words.")
    mail.add_alternative("<p>HTML words.</p>", subtype="html")
    assert body(mail) == "Plain words."
    mail = message(" ")
    mail.add_alternative("<p>HTML words.</p>", subtype="html")
    assert body(mail) == "HTML words."


def test_html_keeps_its_table_and_the_reply_that_it_quotes() -> None:
    mail = message()
    mail.set_content(
        "<div>Hi Bob,<br>the fees:</div><table><tr><th>Item</th><th>Fee</th></tr><tr><td>Lamp</td><td>3</td></tr>"
        "</table><div>On Monday Bob wrote:<blockquote>What is the fee?</blockquote></div>",
        subtype="html",
    )
    text = body(mail)
    for words in ("Hi Bob,\nthe fees:", "| Lamp | 3 |", "On Monday Bob wrote:", "What is the fee?"):
        assert words in text


def test_attachments_and_forwarded_messages_are_named() -> None:
    mail = message("See there.")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Gebühren 2026.pdf")
    mail.add_attachment("a,b", subtype="csv", filename="list.csv")
    mail.add_attachment(message("Inner words.", subject="The first mail"))
    assert body(mail) == "See there.\n\nAttachments: Gebühren 2026.pdf, list.csv, The first mail"


def test_the_lines_of_a_flowed_paragraph_are_made_one() -> None:
    flowed = b"You may send it back \nwithin 30 days.\nNew line.\n> quoted words \n> go on\n-- \nAnn\n"
    text = body(raw("Content-Type: text/plain; format=flowed", flowed))
    assert text == "You may send it back within 30 days.\nNew line.\n> quoted words \n> go on\n-- \nAnn"


@pytest.mark.parametrize(
    ("charset", "payload"),
    [
        ("utf-8", "Größe".encode()),
        ("iso-8859-1", "Größe".encode("latin-1")),
        ("iso-8859-1", "Größe".encode()),
        ("us-ascii", "Größe".encode("cp1252")),
        ("x-unknown", "Größe".encode()),
        ("iso-2022-jp", "返品".encode("iso-2022-jp")),
        ("koi8-r", "Возврат".encode("koi8-r")),
    ],
)
def test_a_text_is_read_though_its_charset_is_old_unknown_or_wrong(charset: str, payload: bytes) -> None:
    words = {"iso-2022-jp": "返品", "koi8-r": "Возврат"}.get(charset, "Größe")
    assert body(raw(f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit", payload)) == words


def test_a_signed_message_is_read() -> None:
    signed = MIMEMultipart("signed", protocol="application/pkcs7-signature")
    signed["From"], signed["Date"] = "a@example.org", "Mon, 02 Nov 2026 10:00:00 +0100"
    words = EmailMessage()
    words.set_content("Signed words.")
    signed.attach(words)
    signed.attach(MIMEApplication(b"123", "pkcs7-signature", name="smime.p7s"))
    assert body(signed.as_bytes()).startswith("Signed words.")


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("application/pkcs7-mime; smime-type=enveloped-data", b"MIAG", r"it is encrypted \(S/MIME\)"),
        ("application/x-pkcs7-mime", b"MIAG", r"it is encrypted \(S/MIME\)"),
        ("application/pkcs7-mime; smime-type=signed-data", b"MIAG", "inside a signature"),
        ("multipart/encrypted; boundary=b", b"--b\n\nx\n--b--\n", r"it is encrypted \(PGP\)"),
        ("text/plain", b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n", r"it is encrypted \(PGP\)"),
        ("multipart/mixed; boundary=b", b"--b\n\nThe first part of\n", "truncated"),
    ],
)
def test_an_encrypted_or_truncated_message_is_refused(kind: str, payload: bytes, reason: str) -> None:
    with pytest.raises(UserError, match=rf"not readable as e-mail \(.*{reason}"):
        parse("a.eml", raw(f"Content-Type: {kind}", payload))


@pytest.mark.parametrize("data", [b"", b"Just words.", b"\x89PNG\r\n\x1a\n" + bytes(range(256))])
def test_what_is_no_message_inside_is_refused(data: bytes) -> None:
    with pytest.raises(UserError, match="it is no e-mail inside"):
        parse("a.eml", data)


def test_parts_in_parts_and_endless_headers_are_bounded() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(200))
    with pytest.raises(UserError, match="more than 100"):
        parse("a.eml", b"Subject: a\n" + nested)
    with pytest.raises(UserError, match="a header of more than 100,000 characters"):
        parse("a.eml", b"Subject: a\nTo: " + b"a@example.org, " * 10_000 + b"\n\nWords.")
    with pytest.raises(UserError, match="nested too deep"):
        parse("a.eml", b"Subject: a\nFrom: " + b"(" * 50_000 + b"\n\nWords.")
