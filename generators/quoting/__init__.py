"""How a value is written in each language that generated files are in: one function a dialect.

A function gives the value as the dialect's reader reads it back, to the last character, or raises
``GenerationError``; only in comments and Markdown may blanks differ. Each is a filter of its name in every template.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from generators.quoting.base import Quoted, comment, is_token, token, verbatim
from generators.quoting.config import (
    haproxy,
    haproxy_format,
    hosts,
    keepalived,
    keepalived_command,
    nft,
    nft_comment,
    rabbitmq_conf,
    rabbitmq_conf_key,
    rabbitmq_conf_secret,
    rsyslog,
    systemd,
    systemd_exec,
    systemd_word,
)
from generators.quoting.formats import ansible, json, prometheus_text, regex, xml, yaml
from generators.quoting.programs import (
    csharp_string,
    erlang_atom,
    erlang_binary,
    erlang_string,
    go_string,
    java_string,
    promql,
    python_string,
    shell,
)
from generators.quoting.prose import dot, markdown, markdown_code, mermaid

__all__ = [
    "DIALECTS",
    "Quoted",
    "ansible",
    "comment",
    "csharp_string",
    "dot",
    "erlang_atom",
    "erlang_binary",
    "erlang_string",
    "go_string",
    "haproxy",
    "haproxy_format",
    "hosts",
    "is_token",
    "java_string",
    "json",
    "keepalived",
    "keepalived_command",
    "markdown",
    "markdown_code",
    "mermaid",
    "nft",
    "nft_comment",
    "prometheus_text",
    "promql",
    "python_string",
    "rabbitmq_conf",
    "rabbitmq_conf_key",
    "rabbitmq_conf_secret",
    "regex",
    "rsyslog",
    "shell",
    "systemd",
    "systemd_exec",
    "systemd_word",
    "token",
    "verbatim",
    "xml",
    "yaml",
]

_FUNCTIONS: tuple[Callable[..., str], ...] = (
    ansible,
    comment,
    csharp_string,
    dot,
    erlang_atom,
    erlang_binary,
    erlang_string,
    go_string,
    haproxy,
    haproxy_format,
    hosts,
    java_string,
    json,
    keepalived,
    keepalived_command,
    markdown,
    markdown_code,
    mermaid,
    nft,
    nft_comment,
    prometheus_text,
    promql,
    python_string,
    rabbitmq_conf,
    rabbitmq_conf_key,
    rabbitmq_conf_secret,
    regex,
    rsyslog,
    shell,
    systemd,
    systemd_exec,
    systemd_word,
    token,
    verbatim,
    xml,
    yaml,
)

DIALECTS: MappingProxyType[str, Callable[..., Any]] = MappingProxyType({f.__name__: f for f in _FUNCTIONS})
"""Every dialect's function by its name."""
