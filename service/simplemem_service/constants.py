"""Figures that the service's behaviour rests on, each with its unit and reason."""

from __future__ import annotations

from datetime import timedelta

GROUP_COMMIT_INTERVAL = timedelta(milliseconds=2)
"""Least time between two segments of one process: requests that arrive within it share a segment and its fsync. An idle
journal writes at once. Longer saves files under load and adds to every answer of a client that waits for each."""
SEGMENT_MAX_BYTES = 8 * 1024 * 1024
"""Size above which no further request joins a segment, in bytes."""
JOURNAL_MAX_WAITING = 1024
"""Requests that may wait for their segment; beyond it the answer is 429."""
RESULTS_CACHED = 10_000
"""Results of finished operations kept in memory, so that clients that poll do not read files."""

BATCH_MAX_TURNS = 256
"""Turns compressed and committed together: enough to share one commit, few enough to become searchable within two
seconds on two cores."""
BATCH_MAX_SEGMENTS = 256
"""Segments read for one batch; bounds open files and requests."""
SYNTHESIS_PASSES = 20
"""Passes of a writer that is never idle between two steps of stage 2: a share of some hundredths of its time."""
JOURNAL_POLL = timedelta(milliseconds=500)
"""How often an idle worker looks for segments of other pods; of a bucket, whether a bell was rung."""
INDEX_POLL = timedelta(milliseconds=300)
"""How often a pod looks for a new version of the table while versions follow each other."""
INDEX_POLL_IDLE = timedelta(seconds=1)
"""How often it looks at the least, when nothing has been written for a while and nobody waits; of a bucket, whether a
bell was rung (`storage/bells.py`)."""
GENERATION_POLL = timedelta(seconds=5)
"""How often a pod looks whether a re-embedding has moved the store on: one small request, 1 cent a day in a bucket."""
FORMER_PARTS_KEPT = timedelta(seconds=30)
"""How long the generation before is kept after that, for searches that began with it."""
INDEX_LEAST_PAUSE = timedelta(milliseconds=20)
"""Pause between two looks however many wait, so that close commits are taken over together."""
RETRY_FIRST = timedelta(milliseconds=200)
"""First pause after a failure; doubled by each further one."""
RETRY_LONGEST = timedelta(seconds=15)
"""Longest pause between two tries."""
MAX_ATTEMPTS = 5
"""Tries of an operation that fails in an unforeseen way, before it ends Failed."""

LEASE_RENEWAL = timedelta(seconds=3)
"""How often the writer of a bucket renews its lease while it writes."""
LEASE_POLL = timedelta(seconds=1)
"""How often a process that waits for the lease looks at it."""
LEASE_EXPIRY = timedelta(seconds=10)
"""How long such a lease must stand unchanged, by the observer's own clock, before it may be taken over."""
LEASE_REST = timedelta(seconds=20)
"""How long nothing must be written before the lease is renewed less often, and how often it is from then on."""
LEASE_REST_EXPIRY = timedelta(seconds=45)
"""How long a resting writer's lease must stand unchanged before it may be taken over."""

MAINTENANCE_COMMITS = 50
"""Commits between two compactions: fifty small fragments cost a query less than a millisecond."""
MAINTENANCE_RETENTION = timedelta(minutes=10)
"""Age at which old versions of a table go; after many small commits each takes 100 KB. Never zero: clean-up would
delete files that open readers still hold (seen on lancedb 0.40)."""
PURGE_INTERVAL = timedelta(minutes=1)
"""Least time between two rewritings of files that hold removed rows: a rewriting copies whole files."""
PURGE_FACTOR = 1.05
"""How long after a rewriting the old versions are looked for, in times of the retention; a little more than 1, since
the versions' times come from another clock."""
CACHE_LIFETIME = timedelta(days=1)
"""How long a shared cache keeps a vector; with a cache that is away, also how long one outlives its text's erasure."""
RESULTS_RETENTION = timedelta(hours=6)
"""How long the result of a finished operation can be asked for."""
RESULTS_MAX = 50_000
"""Finished segments kept at most: beyond it the oldest go before their time, since each is a file."""
RESULTS_LEAST = timedelta(minutes=10)
"""How long results are kept however many there are."""
IDEMPOTENCY_RETENTION = timedelta(hours=24)
"""How long an Idempotency-Key stands for its first operation."""
JOURNAL_SWEEP = timedelta(minutes=10)
"""How often results and keys are looked through for old ones."""
SCALAR_INDEX_ROWS = 5_000
"""Rows from which looking up keys through an index beats a scan."""

STORAGE_TIMEOUT = timedelta(seconds=10)
"""Longest time that one request to the bucket may take, its retries included."""
STORAGE_CHECK = timedelta(seconds=10)
"""How often the volume is probed while it answers."""
STORAGE_CHECK_BUCKET = timedelta(seconds=30)
"""How often a bucket is probed while it answers: 45 cents a month; what is read and written tells of it sooner."""
STORAGE_CHECK_FAILING = timedelta(seconds=1)
"""How often it is probed while it does not."""
STATISTICS_INTERVAL = timedelta(seconds=5)
"""How often figures for status and metrics are read, of a bucket only where the tables were written since."""
STATISTICS_BUCKET = timedelta(minutes=2)
"""How often they are read of a bucket all the same: three listings, 33 cents a month."""
SIZE_INTERVAL_FACTOR = 100
"""Pause between two measurements of the store's size, in times of what one takes: listing all files of a large store
must not cost more than a hundredth of a core."""

BODY_MAX_BYTES = 8 * 1024 * 1024
"""Longest request body, in bytes; a batch of 10,000 short turns fits."""
TURNS_MAX = 10_000
"""Turns in one request."""
TEXT_MAX_CHARS = 100_000
"""Characters of one turn."""
RAW_CONVERSATION_MAX_CHARS = 4_000_000
"""Characters of a raw conversation."""
ID_MAX_CHARS = 256
"""Characters of an id or a name that the caller gives."""
QUERY_MAX_CHARS = 4_096
"""Characters of a question."""
TOP_K_MAX = 100
"""Entries that one search may return."""
CONTEXT_MAX_TOKENS = 100_000
"""Tokens that one context may hold."""
PAGE_MAX = 1_000
"""Entries on one page."""
CONCURRENT_REQUESTS_MAX = 100
"""Searches in progress at a time; beyond it the answer is 429."""
EMBEDDING_TEXTS_MAX = 8_192
"""Texts that POST /v1/embeddings has in progress at a time, about a minute of work on two cores; beyond it the answer
is 429. A request of more than that is taken when nothing else waits."""
COMPRESS_TIMEOUT = timedelta(minutes=10)
"""How long POST /compress waits for the end of its operation."""
COMPRESS_POLL = timedelta(milliseconds=50)
"""How often POST /compress looks at its operation."""
WAIT_TIMEOUT = timedelta(seconds=60)
"""How long a change with `?wait=true` is waited for; then the answer is 202 all the same."""
RETRY_AFTER_SECONDS = 1
"""What a 429 or 503 asks the caller to wait, in seconds."""
TOKEN_REFRESH = timedelta(seconds=2)
"""How often the folder of tokens is looked at."""
CERTIFICATE_INTERVAL = timedelta(hours=3)
"""How often the certificates of the spec's endpoints are looked at: they last for days at least."""
CERTIFICATE_RETRY = timedelta(minutes=15)
"""How often while one of them cannot be read."""
CERTIFICATE_TIMEOUT = timedelta(seconds=10)
"""How long one endpoint may take to present its certificate."""
REQUESTS_PER_SECOND = 200.0
"""Requests a second of one token, unless its file says otherwise: more than one pod answers on two cores, so that it
stops only what runs wild."""
RATE_BURST_SECONDS = 2.0
"""Seconds of its rate that a token may save up and use at once."""
KEEP_ALIVE = timedelta(seconds=30)
"""How long an idle connection stays open."""
READY_POLL = timedelta(milliseconds=20)
"""How often a starting process looks whether it is ready."""
DRAIN_TIMEOUT = timedelta(seconds=20)
"""How long open requests may take after SIGTERM; within Kubernetes' 30 s of grace."""

DEFAULT_USER = "default"
"""Owner of turns whose request names none."""
DEFAULT_SESSION = "default"
"""Conversation of turns whose request names none."""
