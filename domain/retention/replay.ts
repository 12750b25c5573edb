import { accessoryOf, isSimpleSigning, signedBy } from '../artifact/accessory.ts';
import type { ArtifactEvent, PushedManifest } from '../artifact/events.ts';
import { sizeOf } from '../artifact/type.ts';
import type { Digest } from '../digest.ts';
import type { RecordedEvent } from '../event.ts';
import type { PullEvent } from '../pull/events.ts';
import type { TagEvent } from '../tag/events.ts';
import { type Candidate, evaluate, type RuleHere } from './evaluate.ts';

/** What happens to the artifacts of a repository. */
export type RepositoryContentEvent =
  | Extract<ArtifactEvent, { type: 'ManifestPushed' | 'ManifestDeleted' }>
  | TagEvent
  | PullEvent;

/** What a run would have removed. */
export interface Removal {
  readonly digest: Digest;
  /** Those that it had. */
  readonly tags: readonly string[];
  readonly removedAt: Date;
  readonly pushedAt: Date;
  readonly pulledAt: Date | null;
  /** Bytes of what a pull of it takes, of which others may need some. */
  readonly size: number;
  readonly why: string;
  /** How often it was pulled after that. */
  pulls: number;
  lastPulledAt: Date | null;
}

interface Manifest {
  id: number;
  readonly digest: Digest;
  readonly children: readonly Digest[];
  readonly subject: Digest | undefined;
  readonly signing: boolean;
  /** Bytes; undefined for an index. */
  readonly size: number | undefined;
  pushedAt: Date;
  pulledAt: Date | null;
  /** Whether a run has removed it. */
  isGone: boolean;
  /** As what a run has removed it, unless it went with something else. */
  removal: Removal | undefined;
}

/**
 * One repository as it would be if runs had removed from it what they would have. What clients did after that they
 * would have done as well: who tags or names what is gone has pushed it again. That somebody pushed once more what was
 * there is in no event, so that it is not known here either.
 */
export class RepositoryReplay {
  readonly #manifests = new Map<Digest, Manifest>();
  readonly #tags = new Map<string, Digest>();
  /** By what they point at, which may come after them. */
  readonly #tagged = new Map<Digest, Set<string>>();
  /** By the child, the indexes that name it and are there. */
  readonly #parents = new Map<Digest, Set<Digest>>();
  /** By the subject, what refers to it. */
  readonly #referrers = new Map<Digest, Set<Digest>>();
  /** What a tag of cosign's has tied a manifest to. */
  readonly #signed = new Map<Digest, Digest>();

  /** How many manifests it keeps in memory. */
  get size(): number {
    return this.#manifests.size;
  }

  apply({ type, data, position, recordedAt }: RecordedEvent<RepositoryContentEvent>): void {
    const id = Number(position);
    switch (type) {
      case 'ManifestPushed':
        this.#push(data, id, recordedAt);
        break;
      case 'ManifestDeleted':
        this.#delete(data.digest);
        break;
      case 'TagAssigned':
      case 'TagMoved':
        this.#tag(data.tag, data.digest, id, recordedAt);
        break;
      case 'TagRemoved':
        this.#untag(data.tag);
        break;
      case 'ArtifactPulled':
        this.#pull(data.digest, new Date(data.pulledAt), data.timed);
    }
  }

  /** All tags that there are. */
  get tags(): readonly string[] {
    return [...this.#tags.keys()];
  }

  /** What a run decides about. */
  candidates(isImmutable: (tag: string) => boolean = () => false): readonly Candidate[] {
    return [...this.#manifests.values()]
      .filter((manifest) => this.#isCandidate(manifest))
      .map((manifest) => this.#candidateOf(manifest, isImmutable));
  }

  /** Applies the rules that count here, and lets go what they do not keep; resolves to that. */
  run(
    rules: readonly RuleHere[],
    now: Date,
    candidates: readonly Candidate[] = this.candidates(),
  ): readonly Removal[] {
    if (rules.length === 0) return [];
    const removals: Removal[] = [];
    for (const { candidate, kept, why } of evaluate(rules, candidates, now))
      if (!kept) removals.push(this.#removalOf(candidate, now, why));
    // Of all of them before any goes, since sizes are those of what is there.
    for (const removal of removals) {
      const manifest = this.#manifests.get(removal.digest);
      if (manifest === undefined) continue;
      this.#remove(manifest);
      manifest.removal = removal;
    }
    return removals;
  }

  #push(pushed: PushedManifest, id: number, at: Date): void {
    const { digest } = pushed;
    const before = this.#manifests.get(digest);
    if (before === undefined) {
      const accessory = accessoryOf(pushed);
      const manifest: Manifest = {
        id,
        digest,
        children: pushed.manifests.map((child) => child.digest),
        subject: accessory?.subject,
        signing: isSimpleSigning(pushed) && accessory === undefined,
        size: sizeOf(pushed),
        pushedAt: at,
        pulledAt: null,
        isGone: false,
        removal: undefined,
      };
      this.#manifests.set(digest, manifest);
      if (accessory !== undefined) add(this.#referrers, accessory.subject, digest);
    }
    this.#revive(digest, id, at);
    const children = pushed.manifests.map((child) => child.digest);
    for (const child of children) add(this.#parents, child, digest);
    this.#reviveAll(children, id, at);
  }

  #delete(digest: Digest): void {
    const manifest = this.#manifests.get(digest);
    if (manifest === undefined) return;
    this.#unlink(manifest);
    this.#manifests.delete(digest);
    this.#signed.delete(digest);
    remove(this.#referrers, manifest.subject, digest);
  }

  #tag(tag: string, digest: Digest, id: number, at: Date): void {
    this.#untag(tag);
    this.#tags.set(tag, digest);
    add(this.#tagged, digest, tag);
    const subject = signedBy(tag);
    if (subject !== undefined) {
      remove(this.#referrers, this.#signed.get(digest), digest);
      this.#signed.set(digest, subject);
      if (this.#manifests.get(digest)?.signing) add(this.#referrers, subject, digest);
    }
    this.#revive(digest, id, at);
  }

  #untag(tag: string): void {
    const digest = this.#tags.get(tag);
    if (digest === undefined) return;
    this.#tags.delete(tag);
    remove(this.#tagged, digest, tag);
  }

  #pull(digest: Digest, at: Date, isTimed: boolean): void {
    const manifest = this.#manifests.get(digest);
    if (manifest === undefined) return;
    if (!manifest.isGone) {
      if (isTimed && at.getTime() > (manifest.pulledAt?.getTime() ?? 0)) manifest.pulledAt = at;
    } else if (manifest.removal !== undefined) {
      manifest.removal.pulls += 1;
      manifest.removal.lastPulledAt = at;
    }
  }

  /** Somebody has pushed it again, with all that it names. */
  #revive(digest: Digest, id: number, at: Date): void {
    const manifest = this.#manifests.get(digest);
    if (!manifest?.isGone) return;
    Object.assign(manifest, { isGone: false, removal: undefined, id, pushedAt: at, pulledAt: null });
    for (const child of manifest.children) add(this.#parents, child, digest);
    this.#reviveAll(manifest.children, id, at);
  }

  /** One after the other, and all of them before the index `id` that names them. */
  #reviveAll(children: readonly Digest[], id: number, at: Date): void {
    for (const [place, child] of children.entries())
      this.#revive(child, id - 1 + (place + 1) / (children.length + 1), at);
  }

  #subjectOf({ digest, signing, subject }: Manifest): Digest | undefined {
    return subject ?? (signing ? this.#signed.get(digest) : undefined);
  }

  #isCandidate(manifest: Manifest): boolean {
    if (manifest.isGone || this.#subjectOf(manifest) !== undefined) return false;
    return this.#tagged.has(manifest.digest) || !this.#parents.has(manifest.digest);
  }

  #candidateOf(
    { id, digest, pushedAt, pulledAt }: Manifest,
    isImmutable: (tag: string) => boolean,
  ): Candidate {
    const tags = [...(this.#tagged.get(digest) ?? [])];
    const partOf = [...(this.#parents.get(digest) ?? [])];
    const accessories = [...(this.#referrers.get(digest) ?? [])];
    const withTheirs = [...tags, ...accessories.flatMap((each) => [...(this.#tagged.get(each) ?? [])])];
    return { id, digest, tags, pushedAt, pulledAt, partOf, immutable: withTheirs.some(isImmutable) };
  }

  #removalOf({ digest, tags, pushedAt, pulledAt }: Candidate, removedAt: Date, why: string): Removal {
    const size = this.#sizeOf(digest, new Set());
    return { digest, tags, removedAt, pushedAt, pulledAt, size, why, pulls: 0, lastPulledAt: null };
  }

  #sizeOf(digest: Digest, seen: Set<Digest>): number {
    const manifest = this.#manifests.get(digest);
    if (manifest === undefined || manifest.isGone || seen.has(digest)) return 0;
    seen.add(digest);
    return manifest.size ?? manifest.children.reduce((sum, child) => sum + this.#sizeOf(child, seen), 0);
  }

  /** With its tags, what refers to it, and those of its children that nothing else needs. */
  #remove(manifest: Manifest): void {
    if (manifest.isGone) return;
    manifest.isGone = true;
    for (const tag of [...(this.#tagged.get(manifest.digest) ?? [])]) this.#untag(tag);
    this.#unlink(manifest);
    for (const digest of this.#referrers.get(manifest.digest) ?? []) {
      const referrer = this.#manifests.get(digest);
      if (referrer !== undefined && !this.#parents.has(digest)) this.#remove(referrer);
    }
    for (const digest of manifest.children) {
      const child = this.#manifests.get(digest);
      if (child !== undefined && !this.#tagged.has(digest) && !this.#parents.has(digest)) this.#remove(child);
    }
  }

  #unlink({ digest, children }: Manifest): void {
    for (const child of children) remove(this.#parents, child, digest);
  }
}

function add<Value>(sets: Map<Digest, Set<Value>>, key: Digest, value: Value): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function remove<Value>(sets: Map<Digest, Set<Value>>, key: Digest | undefined, value: Value): void {
  if (key === undefined) return;
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}
