"""The words of passages in PostgreSQL: BM25 over a table of postings, by the same word stems as the embedded index.

Its own text search has no BM25, and leaves words out: those of a list, and all beyond the 16,383rd place.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groundtune.index.words import MOST_TERMS

if TYPE_CHECKING:
    from psycopg import Connection

K1, B = 1.2, 0.75  # Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"

# The reader's sets of readers: none named, or one of the reader's groups among them.
AUDIENCES = "array(select a.id from audiences a where a.names = '{}' or a.names && %(groups)s::text[])"
_WEIGHT = """(%(weights)s::float8[])[array_position(%(terms)s::integer[], term)]
    * tf / (tf + %(k1)s * (1 - %(b)s + %(b)s * length / %(average)s))"""
# The passages with the `rare` words, and of these the ones that can be among the `n` best when the `common` words are
# added, which give at most `rest`. No row: a passage with common words alone might be among them too.
_SEARCH = f"""
with scored as materialized (
    select passage, sum({_WEIGHT}) as score from postings
    where term = any(%(rare)s::integer[]) and audience = any({AUDIENCES}) group by passage
), floor as (
    select coalesce((select score from scored order by score desc offset %(n)s - 1 limit 1), 0) as score
), likely as (
    select s.passage, s.score from scored s, floor f where f.score >= %(rest)s and s.score >= f.score - %(rest)s
)
select l.passage, l.score + coalesce((
    select sum({_WEIGHT}) from postings p where p.passage = l.passage and term = any(%(common)s::integer[])
), 0) as score from likely l order by score desc, l.passage limit %(n)s"""  # noqa: S608 (only constants of ours)


def search(
    db: Connection[Any], terms: Iterable[str], n: int, groups: Sequence[str], state: str
) -> list[tuple[int, float]]:
    """The `n` passages with the highest BM25 score among those that these groups (as JSON) may read; exactly these.

    Common words are looked at only in passages that rarer ones have found, where they cannot change which ones are
    best: "MaxScore" of Turtle and Flood 1995, "Query Evaluation: Strategies and Optimizations". state: nothing is
    found where the words were brought in another one.
    """
    found = db.execute(
        """select t.id, t.passages, s.passages, s.words from terms t, totals s, facts f
           where t.term = any(%s) and f.name = 'words' and f.value = %s order by t.passages, t.id""",
        [list(dict.fromkeys(terms))[:MOST_TERMS], state],
    ).fetchall()
    if not found or n < 1:
        return []
    _, _, passages, words = found[0]
    ids = [id for id, *_ in found]
    weights = [(K1 + 1) * math.log(1 + (passages - held + 0.5) / (held + 0.5)) for _, held, *_ in found]
    rest = [sum(weights[at:]) for at in range(len(ids) + 1)]  # no word gives a passage more than its weight
    values = {"terms": ids, "weights": weights, "k1": K1, "b": B, "average": words / passages, "n": n, "groups": groups}
    for rare in range(_first_try([held for _, held, *_ in found], weights, rest, n), len(ids) + 1):
        split = {"rare": ids[:rare], "common": ids[rare:], "rest": rest[rare]}
        rows = db.execute(_SEARCH, values | split).fetchall()
        if rows:
            return [(int(id), float(score)) for id, score in rows]
    return []


def _first_try(held: Sequence[int], weights: Sequence[float], rest: Sequence[float], n: int) -> int:
    """So many of the rarest words: enough passages have them, and one word of them outweighs all others."""
    for at in range(1, len(held)):
        if sum(held[:at]) >= n and weights[at - 1] / (K1 + 1) >= rest[at]:
            return at
    return len(held)


def change(db: Connection[Any], removed: Sequence[int], added: Mapping[int, tuple[int, Counter[str]]]) -> None:
    """Takes passages out and puts passages in, in the transaction that is open: the audience and the words of each."""
    taken = _take(db, removed)
    ids = _count(db, Counter(term for _, words in added.values() for term in words))
    with db.cursor().copy("copy postings (term, passage, tf, length, audience) from stdin") as copy:
        for passage, (audience, words) in added.items():
            for term, times in words.items():
                copy.write_row((ids[term], passage, times, words.total(), audience))
    db.execute(
        "update totals set passages = passages + %s, words = words + %s",
        [len(added) - len(removed), sum(words.total() for _, words in added.values()) - taken],
    )


def _take(db: Connection[Any], passages: Sequence[int]) -> int:
    """Takes passages out; gives how many words they had. A word that is in none any more is forgotten."""
    left = db.execute(
        """with gone as (delete from postings where passage = any(%s) returning term, tf),
               sums as (select term, count(*) as passages, sum(tf) as words from gone group by term)
           update terms t set passages = t.passages - s.passages from sums s where t.id = s.term
           returning t.id, t.passages, s.words""",
        [list(passages)],
    ).fetchall()
    db.execute("delete from terms where id = any(%s)", [[id for id, held, _ in left if not held]])
    return int(sum(words for *_, words in left))


def _count(db: Connection[Any], held: Mapping[str, int]) -> dict[str, int]:
    """Adds to the numbers of passages that hold these words; gives the words' numbers."""
    known = db.execute(
        """update terms t set passages = t.passages + a.passages from unnest(%s::text[], %s::integer[])
           as a (term, passages) where t.term = a.term returning t.term, t.id""",
        [list(held), list(held.values())],
    ).fetchall()
    ids = {term: int(id) for term, id in known}
    new = [term for term in held if term not in ids]
    made = db.execute(
        "insert into terms (term, passages) select * from unnest(%s::text[], %s::integer[]) returning term, id",
        [new, [held[term] for term in new]],
    ).fetchall()
    return ids | {term: int(id) for term, id in made}


def clear(db: Connection[Any]) -> None:
    """Takes all out."""
    db.execute("delete from postings")
    db.execute("delete from terms")
    db.execute("update totals set passages = 0, words = 0")


def faults(db: Connection[Any]) -> list[str]:
    """What does not hold, in sentences: every live passage has its words, and nothing else has; counts are right."""
    ((missing, many),) = db.execute(
        """with held as (select passage, sum(tf) as words from postings group by passage),
               live as (select id, words from passages where died is null)
           select count(*) filter (where h.passage is null or l.words > h.words),
               count(*) filter (where l.id is null or l.words < h.words)
           from (select * from live where words > 0) l full join held h on h.passage = l.id"""
    ).fetchall()
    ((wrong,),) = db.execute(
        """with held as (select term, count(*) as passages from postings group by term)
           select count(*) from terms t full join held h on h.term = t.id
           where t.passages is distinct from h.passages"""
    ).fetchall()
    ((right,),) = db.execute(
        """select t.passages = p.passages and t.words = p.words from totals t,
           (select count(*) as passages, coalesce(sum(words), 0) as words from passages where died is null) p"""
    ).fetchall()
    found = [f"words: {missing} passages are missing, {many} are too many"] if missing or many else []
    if wrong or not right:
        found.append(f"words: the numbers of passages of {wrong} words, or of all, are wrong")
    return found
