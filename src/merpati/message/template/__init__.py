"""SparkPost's template language, as far as expressions, `if` and `each` reach.

`compile_template` reads a part once; the `Template` it returns renders it for each recipient.
Dynamic content, snippets, tracked links and AMP's pass-through are not here yet.
"""

from merpati.message.template.compiler import compile_template, literal_template
from merpati.message.template.escaping import Place
from merpati.message.template.expression import Scope
from merpati.message.template.program import Template

__all__ = ["Place", "Scope", "Template", "compile_template", "literal_template"]
