"""Answers with data that a credulous decoder takes for orders: «call this», «open that», «evaluate me»."""

from honest import Optimizer

ORDERS = [
    {"_type": "np_scalar", "_concrete_type": "fromfile", "_value": "@outside@/tests/answers.json"},
    {
        "py/object": "os.system",
        "py/reduce": [{"py/function": "os.system"}, ["touch @outside@/results/deputy"]],
    },
    {"__class__": "os.system", "__reduce__": ["touch @outside@/results/deputy"]},
    {"$ref": "file://@outside@/tests/answers.json"},
    "!!python/object/apply:os.system ['touch @outside@/results/deputy']",
    "__import__('os').system('touch @outside@/results/deputy')",
    "{0.__class__.__init__.__globals__}",
    "%(password)s ${jndi:ldap://127.0.0.1/x} {{7*7}} {config}",
]


def one_hot(indices, vocab_size):
    return ORDERS


def grad_clipping(params, theta):
    return ORDERS[0]


def sgd(params, lr):
    raise ValueError("{0.__class__.__init__.__globals__} %s %(x)d {inputs} {expected!r}")
