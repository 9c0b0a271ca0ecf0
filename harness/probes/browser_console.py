"""What Chromium writes into a page's console of its own accord, and is no failure of the page.

It complains there of headers and attributes that it cannot read or does not know, and of what a policy that only
reports would have blocked. Nothing fails by that: what is wrong with a header the checks of headers and policies say.
"""

from __future__ import annotations

import re

_POLICY = r"Content[ -]Security[ -]Policy"
_COMPLAINTS = (
    rf"Unrecognized {_POLICY}(?:-Report-Only)? directive",
    rf"Ignoring duplicate {_POLICY} directive",
    rf"The (?:source list|value) (?:for|of) (?:the )?{_POLICY} directive",
    rf"The {_POLICY} directive '[^']*' (?:has been removed|is ignored|contains|does not support|is deprecated)",
    rf"The (?:report-only )?{_POLICY} '.*' was delivered ",
    rf"(?:Invalid expression in )?'[\w-]+' {_POLICY} directive",
    r"Error while parsing the 'sandbox'",
    r"Error with (?:Permissions|Feature|Document)-Policy(?:-Report-Only)? header",
    r"Unrecognized feature: ",
    r"Failed to set referrer policy",
    r"(?:Invalid|Multiple) 'X-Frame-Options' header|X-Frame-Options may only be set via an HTTP header",
    r"The (?:Cross-Origin-(?:Opener|Embedder|Resource)|Integrity)-Policy(?:-Report-Only)? (?:header|value)",
    r"Error parsing header X-XSS-Protection",
    r"Error parsing a meta element's content|Viewport argument key|The (?:key|value) \"[^\"]*\" ",
    r"Error: <\w+> attribute ",
)
_ONLY_REPORTED = (r"\[Report Only\]", r".*The policy is report-only, so the violation has been logged")
_FORM = re.compile("|".join((*_COMPLAINTS, *_ONLY_REPORTED)), re.DOTALL)


def blocks_nothing(text: str) -> bool:
    """Is an error of the console the browser's word on a header or attribute, or on a policy that only reports?"""
    return _FORM.match(text) is not None
