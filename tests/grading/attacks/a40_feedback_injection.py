"""Orders to terminals, spreadsheets, browsers and CI servers in what it prints, raises, and is called."""

import sys

from honest import sgd

TEXT = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mESC \x9b31m \u202ereversed\u202c \u2066iso\u2069 \u200fmark \r\n"
    "::set-output name=score::100\n::error::owned\n##vso[task.complete result=Succeeded;]\n##[error]x\n"
    "=HYPERLINK(\"http://evil\")\n+1\n-1\n@SUM(1)\n\t=1\n<script>alert('owned')</script><img src=x onerror=alert(1)>"  # noqa: E501
    '" onmouseover=alert(1) x="\n</pre></table></html>\x00\x08\x7f\ud800'
)
try:
    print(TEXT)
except UnicodeEncodeError:
    print(TEXT[:-1])
sys.stderr.buffer.write(TEXT.encode("utf-8", "surrogatepass") + b"\xff\xfe\xc3")
sys.stderr.flush()


def one_hot(indices, vocab_size):
    print(TEXT[:-1])
    raise ValueError(TEXT)


def grad_clipping(params, theta):
    raise type(TEXT[:-4], (ValueError,), {"__module__": TEXT[:-4]})(TEXT)


def Optimizer(name, params, lr):
    return TEXT
