import type { Digest } from '../digest.ts';
import type { Template } from './rules.ts';

/** An artifact that a run decides about: no part of an index alone, and no accessory, which goes with its subject. */
export interface Candidate {
  /** The position of its push: what was pushed later has a higher one. */
  readonly id: number;
  readonly digest: Digest;
  readonly tags: readonly string[];
  readonly pushedAt: Date;
  /** Null for one that was never pulled. */
  readonly pulledAt: Date | null;
  /** Whether a rule of the project forbids to remove it. */
  readonly immutable: boolean;
  /** The indexes of its repository that name it. */
  readonly partOf: readonly Digest[];
}

/** A rule as it counts for one repository. */
export interface RuleHere {
  /** Its place in the policy, from 1. */
  readonly rule: number;
  readonly template: Template;
  /** How many artifacts or days; null for `always`. */
  readonly value: number | null;
  /** Whether it is about artifacts without a tag too. */
  readonly takesUntagged: boolean;
  selects(tags: readonly string[]): boolean;
}

export type Cause =
  /** A rule keeps it. */
  | 'rule'
  /** It would be removed, but is immutable. */
  | 'immutable'
  /** It would be removed, but is a part of an index that stays. */
  | 'part-of-index'
  /** It has no tag, and no rule is about such artifacts. */
  | 'untagged'
  /** No rule counts in this repository. */
  | 'no-rule-here'
  /** No rule keeps it, so that it goes. */
  | 'no-rule-keeps';

export interface Verdict<Of extends Candidate = Candidate> {
  readonly candidate: Of;
  readonly kept: boolean;
  readonly cause: Cause;
  /** The first rule that keeps it; null where none does. */
  readonly rule: number | null;
  /** In words, with what each rule has found. */
  readonly why: string;
}

const msPerDay = 24 * 60 * 60 * 1000;

/**
 * What becomes of each of `candidates`, all that one repository has, in their order, if the rules are applied at `now`.
 * Everything that says what goes (dry run, run, what-if) asks here. As in Harbor an artifact is kept as a whole, with
 * all of its tags, if any rule keeps it, and a rule selects it if any of its tags does.
 */
export function* evaluate<Of extends Candidate>(
  rules: readonly RuleHere[],
  candidates: readonly Of[],
  now: Date,
): Generator<Verdict<Of>> {
  const takesUntagged = rules.some((rule) => rule.takesUntagged);
  const isConsidered = ({ tags }: Candidate) => tags.length > 0 || takesUntagged;
  const considered = candidates.filter(isConsidered);
  const findings = rules.map((rule) => apply(rule, considered, now));
  const kept = new Set(findings.flatMap(({ kept }) => [...kept]));
  const removed = removable(considered, kept);

  for (const candidate of candidates) {
    const finding = findings.find(({ kept }) => kept.has(candidate.digest));
    if (rules.length === 0) yield stays(candidate, 'no-rule-here', 'no rule counts in this repository');
    else if (finding !== undefined) {
      const why = finding.describe(candidate);
      yield { candidate, kept: true, cause: 'rule', rule: finding.rule, why };
    } else if (!isConsidered(candidate))
      yield stays(candidate, 'untagged', 'it has no tag, and no rule is about artifacts without one');
    else if (candidate.immutable)
      yield stays(candidate, 'immutable', 'one of its tags, or of those of its signatures, is immutable');
    else if (!removed.has(candidate.digest))
      yield stays(candidate, 'part-of-index', 'it is a part of an index that stays');
    else {
      const why = findings.map((each) => each.describe(candidate)).join('; ');
      yield { candidate, kept: false, cause: 'no-rule-keeps', rule: null, why };
    }
  }
}

const stays = <Of extends Candidate>(candidate: Of, cause: Cause, why: string): Verdict<Of> => ({
  candidate,
  kept: true,
  cause,
  rule: null,
  why,
});

/** What no rule keeps, save what is immutable, and what is a part of something that stays. */
function removable(considered: readonly Candidate[], kept: ReadonlySet<Digest>): ReadonlySet<Digest> {
  const going = considered.filter(({ digest, immutable }) => !kept.has(digest) && !immutable);
  const removed = new Set(going.map(({ digest }) => digest));
  // What stays keeps its parts, and these keep theirs.
  for (let before = -1; before !== removed.size; ) {
    before = removed.size;
    for (const { digest, partOf } of going)
      if (!partOf.every((index) => removed.has(index))) removed.delete(digest);
  }
  return removed;
}

interface Finding {
  readonly rule: number;
  readonly kept: ReadonlySet<Digest>;
  describe(candidate: Candidate): string;
}

function apply(here: RuleHere, considered: readonly Candidate[], now: Date): Finding {
  const { rule, template, value } = here;
  const selected = considered.filter(({ tags }) => here.selects(tags));
  const digests = new Set(selected.map(({ digest }) => digest));
  const { kept, describe } = byTemplate[template](selected, value ?? 0, now);
  return {
    rule,
    kept,
    describe: (candidate) =>
      `rule ${rule} ${digests.has(candidate.digest) ? describe(candidate) : 'does not select it'}`,
  };
}

type Apply = (selected: readonly Candidate[], value: number, now: Date) => Omit<Finding, 'rule'>;

const byTemplate: { readonly [Name in Template]: Apply } = {
  always: (selected) => ({ kept: digestsOf(selected), describe: () => 'keeps all that it selects' }),
  latestPushedK: (selected, count) => firstOf(selected.toSorted(laterPush), count, 'pushed'),
  latestPulledN: (selected, count) => firstOf(selected.toSorted(laterPull), count, 'pulled'),
  nDaysSinceLastPush: (selected, days, now) =>
    since(selected, days, now, 'pushed', ({ pushedAt }) => pushedAt),
  nDaysSinceLastPull: (selected, days, now) =>
    since(selected, days, now, 'pulled', ({ pulledAt }) => pulledAt),
};

function firstOf(sorted: readonly Candidate[], count: number, done: string): Omit<Finding, 'rule'> {
  const places = new Map(sorted.map(({ digest }, index) => [digest, index + 1]));
  return {
    kept: digestsOf(sorted.slice(0, count)),
    describe: ({ digest }) =>
      `keeps the ${count} that were ${done} last, of which this is number ${places.get(digest)}`,
  };
}

function since(
  selected: readonly Candidate[],
  days: number,
  now: Date,
  done: string,
  at: (candidate: Candidate) => Date | null,
): Omit<Finding, 'rule'> {
  const first = now.getTime() - days * msPerDay;
  return {
    kept: digestsOf(selected.filter((candidate) => (at(candidate)?.getTime() ?? -Infinity) >= first)),
    describe: (candidate) => {
      const last = at(candidate)?.toISOString();
      const when = last === undefined ? `never ${done}` : `${done} last at ${last}`;
      return `keeps what was ${done} in the last ${days} days; this was ${when}`;
    },
  };
}

const digestsOf = (candidates: readonly Candidate[]): ReadonlySet<Digest> =>
  new Set(candidates.map(({ digest }) => digest));

/** Of those pushed at one time the one that the log has later; no two are equal, so that every run finds the same. */
const laterPush = (one: Candidate, other: Candidate): number =>
  other.pushedAt.getTime() - one.pushedAt.getTime() || other.id - one.id;

/** What was never pulled comes last. */
function laterPull(one: Candidate, other: Candidate): number {
  const [first, second] = [one, other].map(({ pulledAt }) => pulledAt?.getTime() ?? 0) as [number, number];
  return second - first || laterPush(one, other);
}
