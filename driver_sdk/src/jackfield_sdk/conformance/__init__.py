"""`jackfield-conformance`: proves a driver of any language, and names the rule that it breaks.

The suite plays the core. It dials the driver, mints ids, revisions and digests, keeps the core's
duties, and knows from a reference model what the driver must hold. A rule (`rules`) is a sentence of
`proto/README.md`; a case (`cases`) tries to catch the driver breaking it. Every call goes through
`wire`, which remembers what was sent and what came back, so a failure shows both. Between the two
stands a proxy (`proxy`) that loses, delays and doubles what goes through it.

The cases are pytest functions, run by the command or by
`pytest --pyargs jackfield_sdk.conformance -p jackfield_sdk.conformance.plugin --endpoint …`.
"""

# The major version is the contract's. The minor one grows when a rule is added or a case asks for more.
SUITE_VERSION = "1.2"
