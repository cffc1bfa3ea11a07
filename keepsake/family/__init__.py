"""The family line's own tables: who tells what, how it comes in, how it is read back and sent out.

What is made of a response stands with the step that makes it, in `assets/family/`.
"""

from keepsake.family.response import (
    DEFAULT_VALUES,
    LINE,
    Family,
    NewResponse,
    Response,
    Value,
    add_family,
    add_member,
    add_response,
    add_value,
    days_with_stories_without_podcast,
    find_family,
    forget_unused,
    load_responses,
    remove_value,
    tag,
    vocabulary,
)

__all__ = [
    "DEFAULT_VALUES",
    "LINE",
    "Family",
    "NewResponse",
    "Response",
    "Value",
    "add_family",
    "add_member",
    "add_response",
    "add_value",
    "days_with_stories_without_podcast",
    "find_family",
    "forget_unused",
    "load_responses",
    "remove_value",
    "tag",
    "vocabulary",
]
