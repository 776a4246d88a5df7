r"""Quoting for what the daemons read: HAProxy, keepalived, rabbitmq.conf, rsyslog, nftables, systemd.

What a dialect cannot say at all is refused. Two things no quoting can do, and a template must: keep a value that
starts with ``-`` from being an option or an ACL flag (``--`` before it), and keep a value from the place of a keyword.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from generators.quoting.base import Quoted, is_token, line, need, refuse_any, token

__all__ = [
    "haproxy",
    "haproxy_format",
    "hosts",
    "keepalived",
    "keepalived_command",
    "nft",
    "nft_comment",
    "rabbitmq_conf",
    "rabbitmq_conf_key",
    "rabbitmq_conf_secret",
    "rsyslog",
    "systemd",
    "systemd_exec",
    "systemd_word",
]

_KEEPALIVED_BYTES = 900
"""Longest written word. keepalived reads 1023 bytes of a line and takes the rest as the next line (``read_line``
and ``MAXBUF`` in its ``lib/parser.[ch]``, 2.1 to 2.3); 123 bytes remain for indentation and keyword."""

_KEEPALIVED_ESCAPES = {ord("$"): r"\044", ord('"'): r"\042", ord("'"): "'\"'\"\\047\"'\"'"}
"""For what stands within single quotes within double ones; of a single quote itself the quotes are swapped."""

_NFT_COMMENT_BYTES = 128
"""Longest comment: ``NFTNL_UDATA_COMMENT_MAXLEN`` of libnftnl, tried with nft 1.0.6."""


def haproxy(value: object) -> Quoted:
    """A word of haproxy.cfg: strong quotes, in which nothing is special, and weak ones around single quotes.

    configuration.txt 2.2 "Quoting and escaping" and ``parse_line`` in ``src/tools.c``, 2.2 to 3.2. An empty word is
    refused: HAProxy takes it for the end of the arguments.
    """
    text = line(value, "a word of haproxy.cfg")
    need("a word of haproxy.cfg", text, text, "it is empty, which ends the arguments")
    if re.fullmatch(r"[A-Za-z0-9_./:@*,+=%-]+", text):
        return Quoted(text)
    parts = re.findall(r"'+|[^']+", text)
    return Quoted("".join(f'"{part}"' if part.startswith("'") else f"'{part}'" for part in parts))


def haproxy_format(value: object) -> Quoted:
    """A word of haproxy.cfg where a log-format string stands, with nothing in it expanded.

    configuration.txt 8.2.6 "Custom log format" (8.2.4 until 2.4): a percent sign is written twice.
    """
    return haproxy(line(value, "a log-format string of haproxy.cfg").replace("%", "%%"))


def keepalived(value: object) -> Quoted:
    r"""A word of keepalived.conf that both of keepalived's lexers read alike, between double quotes where needed.

    ``lib/parser.c``, 2.1 to 2.3: ``alloc_strvec`` knows no escapes within double quotes and
    ``alloc_strvec_quoted_escaped`` does, so ``"`` and ``\`` are refused. ``replace_param`` expands ``$NAME`` and
    ``${NAME}`` also within quotes, without an escape: ``$`` before a letter, ``_`` or ``{`` is refused. A word that is
    ``{`` or ``}`` opens or closes a block even when quoted (``process_stream``).
    """
    dialect = "a word of keepalived.conf"
    text = line(value, dialect)
    need(dialect, text, text, "it is empty")
    if is_token(text):
        need(dialect, text, len(text) <= _KEEPALIVED_BYTES, f"at most {_KEEPALIVED_BYTES} bytes fit on a line")
        return Quoted(text)
    refuse_any(dialect, text, lambda c: c in '"\\', "keepalived has no escape for it that holds everywhere")
    need(dialect, text, not re.search(r"\$[A-Za-z_{]", text), "it has $ before a name, which keepalived expands")
    need(dialect, text, text not in {"{", "}"}, "a lone brace is a block even when quoted")
    need(dialect, text, len(text.encode()) <= _KEEPALIVED_BYTES, f"at most {_KEEPALIVED_BYTES} bytes fit on a line")
    return Quoted(f'"{text}"')


def keepalived_command(words: Iterable[object] | str) -> Quoted:
    r"""A command of keepalived.conf (``script``, ``notify_master`` ...): a program, or one and its arguments.

    ``lib/notify.c`` and ``lib/parser.c``, 2.1 to 2.3: the line is cut into words, its second word is cut again, and run
    without a shell. Until 2.3.1 both cuts read escapes, from 2.3.2 the second only, so ``\`` has no form that all
    read alike and is refused. An octal escape gives the same either way, as the character it gives is then within
    the other kind of quotes.
    """
    dialect = "a command of keepalived.conf"
    texts = [line(word, dialect) for word in ([words] if isinstance(words, str) else words)]
    need(dialect, "".join(texts), texts and texts[0], "it names no program")
    for text in texts:
        refuse_any(dialect, text, lambda c: c == "\\", "keepalived 2.3.2 and those before read it differently")
    written = (
        '"' + " ".join(text if is_token(text) else f"'{text.translate(_KEEPALIVED_ESCAPES)}'" for text in texts) + '"'
    )
    fits = len(written.encode()) <= _KEEPALIVED_BYTES
    need(dialect, written, fits, f"at most {_KEEPALIVED_BYTES} bytes fit on a line")
    return Quoted(written)


def rabbitmq_conf(value: object, *, quotes: bool = False) -> Quoted:
    """A value of rabbitmq.conf; *quotes* says that this RabbitMQ reads single quotes: 3.13.7, and 4.0 and later.

    ``conf_parse.peg`` of cuttlefish 2.2 to 3.6 (3.3 brought the quotes; 3.13.7 and 4.0.0 brought 3.4): blanks around a
    value are dropped and ``#`` starts a comment anywhere, unless quoted. Refused are ``$(``, which
    ``cuttlefish_generator:value_sub`` replaces by another setting or a variable of the environment, quoted or not, and
    what is not ASCII: cuttlefish before 3.1 (RabbitMQ before 3.12) turns it into Latin-1 or fails. What is refused
    here can be said in advanced.config.
    """
    dialect = "a value of rabbitmq.conf"
    text = line(value, dialect)
    refuse_any(dialect, text, lambda c: not c.isascii(), "only ASCII is read alike by all versions")
    need(dialect, text, "$(" not in text, "it has $(, which RabbitMQ replaces")
    if text and "#" not in text and text == text.strip(" ") and not text.startswith("'"):
        return Quoted(text)
    need(dialect, text, quotes, "before 3.13.7 it may not be empty, hold #, start with ' or have blanks around it")
    need(dialect, text, "'" not in text, "it needs quotes and holds one")
    return Quoted(f"'{text}'")


def rabbitmq_conf_secret(value: object, *, quotes: bool = False) -> Quoted:
    """A password of rabbitmq.conf (``default_pass``, ``ssl_options.password`` ...), in clear.

    ``cuttlefish_datatypes:from_string`` (3.3 and later) reads ``word:rest`` as a tagged value, and RabbitMQ 4.0 and
    later take it for encrypted whatever the tag is (``rabbit_cuttlefish:optionally_tagged_binary``): refused.
    """
    dialect = "a password of rabbitmq.conf"
    text = line(value, dialect)
    tagged = re.match("[A-Za-z0-9_]+:", text)
    need(dialect, text, not tagged, "RabbitMQ 4.0 and later take what starts with word: for encrypted")
    return rabbitmq_conf(text, quotes=quotes)


def rabbitmq_conf_key(value: object) -> Quoted:
    r"""One part of a key of rabbitmq.conf: letters, digits, ``_`` and ``-``, and a dot written ``\.``.

    Rule ``word`` in ``conf_parse.peg`` of cuttlefish 2.2 to 3.6, which has no other escape.
    """
    dialect = "a part of a key of rabbitmq.conf"
    text = line(value, dialect)
    need(dialect, text, text, "it is empty")
    allowed = "allowed: ASCII letters, digits and _ - ."
    refuse_any(dialect, text, lambda c: not re.fullmatch(r"[A-Za-z0-9_.-]", c), allowed)
    return Quoted(text.replace(".", "\\."))


def rsyslog(value: object) -> Quoted:
    r"""A string constant of rsyslog's RainerScript, quotes included.

    "String Constants" of the rsyslog manual and ``grammar/lexer.l``, 8.2102 to 8.2504: ``\"``, ``\\`` and ``\$``, the
    last because expressions refuse a bare ``$``. A template of type "string" reads ``%`` on top of that.
    """
    return Quoted('"' + re.sub(r'["$\\]', r"\\\g<0>", line(value, "an rsyslog string")) + '"')


def nft(value: object) -> Quoted:
    """An address, name or port of an nftables rule set: bare, or refused."""
    return token(value, "a word of an nftables rule set")


def nft_comment(value: object) -> Quoted:
    r"""A quoted string of an nftables rule set, such as a rule's comment; not an interface, where ``*`` is a wildcard.

    ``quotedstring`` in nftables' ``src/scanner.l``, 0.9.8 to 1.1: no escapes, so no ``"``; backslashes stand for
    themselves.
    """
    dialect = "a comment of an nftables rule set"
    text = line(value, dialect)
    refuse_any(dialect, text, lambda c: c == '"', "nftables has no escape for it")
    fits = len(text.encode()) <= _NFT_COMMENT_BYTES
    need(dialect, text, fits, f"at most {_NFT_COMMENT_BYTES} bytes are kept")
    return Quoted(f'"{text}"')


def hosts(value: object) -> Quoted:
    """An address or a name of /etc/hosts, which has no quoting (hosts(5)): bare, or refused."""
    return token(value, "a word of /etc/hosts")


def systemd(value: object) -> Quoted:
    r"""The value of a setting of a unit file that is one text, such as ``Description=``.

    systemd.syntax(7) and "Specifiers" in systemd.unit(5), 247 to 257: ``%`` is written twice; blanks around a value
    are dropped, ``\`` at its end joins the next line, an empty value resets the setting: all refused.
    """
    dialect = "a value of a unit file"
    text = line(value, dialect)
    need(dialect, text, text and text == text.strip(" "), "it is empty or has blanks around it")
    need(dialect, text, not text.endswith("\\"), "a backslash at the end joins the next line")
    return Quoted(text.replace("%", "%%"))


def systemd_word(value: object) -> Quoted:
    r"""One word of a setting of a unit file that is a list, such as ``"NAME=value"`` of ``Environment=``.

    "Quoting" in systemd.syntax(7), 247 to 257: C escapes within double quotes; ``%`` twice as everywhere.
    """
    text = line(value, "a word of a unit file")
    if is_token(text):
        return Quoted(text)
    return Quoted('"' + re.sub(r'["\\]', r"\\\g<0>", text).replace("%", "%%") + '"')


def systemd_exec(value: object) -> Quoted:
    """One argument of ``ExecStart=`` and its like, not its program: as ``systemd_word``, with ``$`` written twice.

    "Command lines" in systemd.service(5), 247 to 257.
    """
    return Quoted(systemd_word(value).replace("$", "$$"))
