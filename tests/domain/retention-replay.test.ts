import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../domain/digest.ts';
import { type Candidate, evaluate } from '../../domain/retention/evaluate.ts';
import {
  type Removal,
  type RepositoryContentEvent,
  RepositoryReplay,
} from '../../domain/retention/replay.ts';
import { type RetentionRule, type Template, templates } from '../../domain/retention/rules.ts';
import { readRules } from '../../domain/retention/select.ts';

/*
 * What-if against what really happens: a history of what clients do is played twice on a small registry, once without
 * rules, whose events the replay then gets, and once with a run of the rules at every night.
 */

const repository = 'team/app';
const pull = { projectId: 2, timed: true, counted: true };
const start = Date.parse('2026-01-01T00:00:00.000Z');
const hour = 60 * 60 * 1000;
const nightly = 24 * hour;
const digestOf = (name: number) => `sha256:${String(name).padStart(64, '0')}` as Digest;

type Action =
  | {
      readonly do: 'push';
      readonly tag: string;
      readonly digest: Digest;
      readonly children: readonly Digest[];
    }
  | { readonly do: 'untag'; readonly tag: string }
  | { readonly do: 'pull' | 'delete'; readonly digest: Digest };
type Timed = Action & { readonly at: number };

interface Stored {
  readonly id: number;
  readonly digest: Digest;
  readonly pushedAt: Date;
  pulledAt: Date | null;
  readonly children: readonly Digest[];
}

type Event = Parameters<RepositoryReplay['apply']>[0];

/** As far as retention can tell a repository from another. */
class SmallRegistry {
  readonly events: Event[] = [];
  readonly removed: { readonly digest: Digest; readonly at: number }[] = [];
  readonly missed: Digest[] = [];
  #stored: Stored[] = [];
  #tags: Record<string, Digest> = {};

  play(action: Timed): void {
    const at = new Date(action.at);
    switch (action.do) {
      case 'push':
        for (const child of action.children) this.#store(child, [], at);
        this.#store(action.digest, action.children, at);
        this.#point(action.tag, action.digest, at);
        break;
      case 'untag':
        this.#point(action.tag, undefined, at);
        break;
      case 'pull': {
        const found = this.#find(action.digest);
        if (found === undefined) this.missed.push(action.digest);
        else found.pulledAt = at;
        const data = { repository, digest: action.digest, pulledAt: at.toISOString(), ...pull };
        if (found !== undefined) this.#tell({ type: 'ArtifactPulled', data }, at);
        break;
      }
      case 'delete':
        if (this.#find(action.digest) !== undefined && this.#parentsOf(action.digest).length === 0)
          this.#drop(action.digest, at);
    }
  }

  run(rules: readonly RetentionRule[], now: number): void {
    const listed = this.#stored.filter(
      ({ digest }) => this.#tagsOf(digest).length > 0 || this.#parentsOf(digest).length === 0,
    );
    const candidates = listed.map(
      ({ id, digest, pushedAt, pulledAt }): Candidate => ({
        ...{ id, digest, pushedAt, pulledAt, immutable: false },
        tags: this.#tagsOf(digest),
        partOf: this.#parentsOf(digest),
      }),
    );
    const going = [...evaluate(readRules(rules), candidates, new Date(now))].filter(({ kept }) => !kept);
    for (const { candidate } of going) this.removed.push({ digest: candidate.digest, at: now });
    // Indexes first, since nothing goes that one needs.
    for (let left = going.map(({ candidate }) => candidate.digest); left.length > 0; ) {
      const free = left.filter((digest) => this.#parentsOf(digest).length === 0);
      assert.notEqual(free.length, 0, 'a run can remove what it has decided to');
      for (const digest of free) this.#dropWithParts(digest, new Date(now));
      left = left.filter((digest) => !free.includes(digest));
    }
  }

  #dropWithParts(digest: Digest, at: Date): void {
    const children = this.#find(digest)?.children ?? [];
    this.#drop(digest, at);
    for (const child of children)
      if (this.#tagsOf(child).length === 0 && this.#parentsOf(child).length === 0)
        this.#dropWithParts(child, at);
  }

  #store(digest: Digest, children: readonly Digest[], at: Date): void {
    if (this.#find(digest) !== undefined) return;
    const position = this.#tell({ type: 'ManifestPushed', data: manifest(digest, children) }, at);
    this.#stored.push({ id: position, digest, pushedAt: at, pulledAt: null, children });
  }

  #point(tag: string, digest: Digest | undefined, at: Date): void {
    const from = this.#tags[tag];
    if (from === digest) return;
    delete this.#tags[tag];
    if (digest !== undefined) this.#tags[tag] = digest;
    const data = { repository, tag };
    if (digest === undefined)
      this.#tell({ type: 'TagRemoved', data: { ...data, digest: from as Digest } }, at);
    else if (from === undefined) this.#tell({ type: 'TagAssigned', data: { ...data, digest } }, at);
    else this.#tell({ type: 'TagMoved', data: { ...data, from, digest } }, at);
  }

  #drop(digest: Digest, at: Date): void {
    for (const tag of this.#tagsOf(digest)) this.#point(tag, undefined, at);
    const found = this.#find(digest);
    if (found === undefined) return;
    this.#stored = this.#stored.filter((stored) => stored !== found);
    const { mediaType, size, key } = manifest(digest, []);
    const data = { repository, digest, mediaType, size, key, blobs: [], manifests: [...found.children] };
    this.#tell({ type: 'ManifestDeleted', data }, at);
  }

  #tell(event: RepositoryContentEvent, recordedAt: Date): number {
    const position = this.events.length + 1;
    this.events.push({ ...event, position: BigInt(position), recordedAt } as Event);
    return position;
  }

  #find = (digest: Digest) => this.#stored.find((stored) => stored.digest === digest);
  #tagsOf = (digest: Digest) => Object.keys(this.#tags).filter((tag) => this.#tags[tag] === digest);
  #parentsOf = (digest: Digest) =>
    this.#stored.filter(({ children }) => children.includes(digest)).map((parent) => parent.digest);
}

const manifest = (digest: Digest, children: readonly Digest[]) => ({
  ...{ repository, digest, mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 100, key: 'k' },
  ...{ layers: [], mentions: [], attributes: {} },
  manifests: children.map((child) => ({ mediaType: 'x/y', digest: child, size: 100 })),
});

/** The same numbers for the same seed. */
function randomBy(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

const days = 20;

/** No two things at one time, and nobody pushes again what is there under the tag that it has, which no event tells. */
function historyBy(random: (below: number) => number): readonly Timed[] {
  const actions: Timed[] = [];
  const known: { readonly digest: Digest; readonly children: readonly Digest[] }[] = [];
  for (let at = start + 1; at < start + days * nightly; at += 1 + random(9 * hour)) {
    const before = known[random(known.length)];
    const kind = random(10);
    const tag = `${['v', 'dev'][random(2)]}${random(6)}`;
    if (kind < 4 || before === undefined) {
      const digest = digestOf(known.length + 1);
      const parts = known.filter(({ children }) => children.length === 0).map((part) => part.digest);
      const children = random(4) === 0 ? parts.filter(() => random(5) === 0).slice(0, 3) : [];
      known.push({ digest, children });
      actions.push({ at, do: 'push', tag, digest, children });
    } else if (kind < 5) actions.push({ at, do: 'push', tag: `again-${at}`, ...before });
    else if (kind < 6) actions.push({ at, do: 'untag', tag });
    else if (kind < 9) actions.push({ at, do: 'pull', digest: before.digest });
    else actions.push({ at, do: 'delete', digest: before.digest });
  }
  return actions;
}

function rulesBy(random: (below: number) => number): readonly RetentionRule[] {
  return Array.from({ length: 1 + random(3) }, () => {
    const template = templates[random(templates.length)] as Template;
    return {
      template,
      value: template === 'always' ? null : random(5),
      disabled: random(8) === 0,
      priority: 0,
      tags: [
        {
          kind: 'doublestar',
          decoration: random(3) === 0 ? 'excludes' : 'matches',
          pattern: ['**', 'v*', 'dev[0-3]', '{v1,dev*}'][random(4)] as string,
          extras: ['', '{"untagged":true}', '{"untagged":false}'][random(3)] as string,
        },
      ],
      repositories: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }],
    };
  });
}

/** Plays until the nights before are over. */
function eachNight(
  actions: readonly Timed[],
  play: (action: Timed) => void,
  run: (now: number) => void,
): void {
  let next = 0;
  for (let night = 1; night <= days; night += 1) {
    const now = start + night * nightly;
    for (; next < actions.length && (actions[next] as Timed).at <= now; next += 1)
      play(actions[next] as Timed);
    run(now);
  }
}

test('what a replay would have removed is what goes when the rules are on, over random histories', () => {
  let removals = 0;
  for (let seed = 1; seed <= 400; seed += 1) {
    const random = randomBy(seed);
    const actions = historyBy(random);
    const rules = rulesBy(random);
    const without = new SmallRegistry();
    // What was refused is in no event either, and might not be refused where rules are on.
    const history = actions.filter((action) => {
      const before = without.events.length;
      without.play(action);
      return without.events.length > before;
    });
    const within = new SmallRegistry();
    eachNight(
      history,
      (action) => within.play(action),
      (now) => within.run(rules, now),
    );

    const replay = new RepositoryReplay();
    const found: Removal[] = [];
    let next = 0;
    for (let night = 1; night <= days; night += 1) {
      const now = start + night * nightly;
      for (; next < without.events.length; next += 1) {
        const event = without.events[next] as Event;
        if (event.recordedAt.getTime() > now) break;
        replay.apply(event);
      }
      found.push(...replay.run(readRules(rules), new Date(now)));
    }
    const names = (each: readonly { readonly digest: Digest; readonly at: number }[]) =>
      each.map(({ digest, at }) => `${digest} ${(at - start) / nightly}`).toSorted();
    assert.deepEqual(
      names(found.map(({ digest, removedAt }) => ({ digest, at: removedAt.getTime() }))),
      names(within.removed),
      `seed ${seed}`,
    );
    removals += found.length;
  }
  assert.ok(removals > 1000, `the histories say something: ${removals}`);
});

const at = (day: number) => new Date(start + day * nightly);
const everything: RetentionRule = {
  template: 'latestPushedK',
  value: 1,
  disabled: false,
  priority: 0,
  tags: [{ kind: 'doublestar', decoration: 'matches', pattern: '**', extras: '' }],
  repositories: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }],
};
const [old, young] = [digestOf(1), digestOf(2)];

function replayOf(
  ...events: readonly (RepositoryContentEvent & { readonly day: number })[]
): RepositoryReplay {
  const replay = new RepositoryReplay();
  for (const [index, { day, ...event }] of events.entries())
    replay.apply({ ...event, position: BigInt(index + 1), recordedAt: at(day) } as Event);
  return replay;
}
const pushed = (digest: Digest, day: number, more: object = {}) =>
  ({ type: 'ManifestPushed', data: { ...manifest(digest, []), ...more }, day }) as const;
const tagged = (tag: string, digest: Digest, day: number) =>
  ({ type: 'TagAssigned', data: { repository, tag, digest }, day }) as const;
const twoImages = [pushed(old, 0), tagged('v1', old, 0), pushed(young, 1), tagged('v2', young, 1)];

test('a replay tells how often what it would have removed was pulled after that', () => {
  const replay = replayOf(...twoImages);
  const [removal, ...others] = replay.run(readRules([everything]), at(2));
  assert.deepEqual([removal?.digest, removal?.tags, others], [old, ['v1'], []]);
  for (const day of [3, 4]) {
    const data = { repository, digest: old, pulledAt: at(day).toISOString(), ...pull };
    replay.apply({ type: 'ArtifactPulled', data, position: 9n, recordedAt: at(day) } as Event);
  }
  assert.deepEqual([removal?.pulls, removal?.lastPulledAt], [2, at(4)]);
  assert.deepEqual(replay.run(readRules([everything]), at(5)), [], 'and removes it once');
});

test('a replay lets signatures go with what they sign, and decides about none', () => {
  const [bySubject, byTag] = [digestOf(8), digestOf(9)];
  const signing = [
    { mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json', digest: digestOf(7), size: 1 },
  ];
  const replay = replayOf(
    ...twoImages,
    pushed(bySubject, 1, { subject: { mediaType: 'x/y', digest: old, size: 100 } }),
    pushed(byTag, 1, { layers: signing }),
    tagged(`sha256-${old.slice('sha256:'.length)}.sig`, byTag, 1),
  );
  assert.deepEqual(
    replay.run(readRules([everything]), at(2)).map(({ digest }) => digest),
    [old],
  );
  const none: RetentionRule = { ...everything, value: 0 };
  assert.deepEqual(
    replay.run(readRules([none]), at(3)).map(({ digest }) => digest),
    [young],
  );
});

test('a replay keeps what is immutable', () => {
  const replay = replayOf(...twoImages);
  assert.deepEqual(
    replay.run(
      readRules([everything]),
      at(2),
      replay.candidates((tag) => tag === 'v1'),
    ),
    [],
  );
});
